#!/bin/bash
# fetch.t: downloads from a hub on this machine: whole, resumed, checked.
. "$(dirname "$0")/../tap.sh"
PATH=$top/pipelines:$PATH

if ! command -v curl > /dev/null || ! command -v python3 > /dev/null; then
	skip 'downloads' 'no curl or no python3'
	finish
fi

cd "$scratch" || exit
head -c 3000000 /dev/urandom > original
serve hub.py original
hub=$address

status 'a file is fetched' 0 fetch "$hub/plain" got/file
ok 'and is the same' cmp original got/file
status 'the size and SHA-256 of a linked file are checked' 0 fetch "$hub/linked" linked
ok 'and it is the same' cmp original linked

status 'a download that was cut says so' 74 fetch "$hub/cut" cut
ok 'and leaves no file under its name' test ! -e cut
status 'the same command goes on' 0 fetch "$hub/cut" cut
ok 'to the whole file' cmp original cut
like 'asking for the rest only' "$(cat original.log)" '^bytes=[1-9][0-9]*-$'

cp original whole.part
status 'a part that was whole already is enough' 0 fetch "$hub/linked" whole
ok 'and is the file' cmp original whole

status 'a wrong SHA-256 is bad data' 65 fetch "$hub/lying" lying
ok 'and nothing is kept' test ! -e lying -a ! -e lying.part
FETCH_MD5=0123456789abcdef0123456789abcdef status 'a wrong MD5 is bad data' 65 fetch "$hub/plain" damaged
status 'what is not there is said' 69 fetch "$hub/nothing" nothing
FETCH_MD5=$(md5sum original | cut -d ' ' -f 1) status 'a right MD5 passes' 0 fetch "$hub/plain" right
# A model by its name on the hub, as a tool tells that has no such folder. The token of whoever runs the test is not used.
export HF_HOME=$scratch/home
unset HF_TOKEN HF_TOKEN_PATH
ln -s "$top/pipelines" pipelines
fetch_model() { make -f pipelines/imdb.mk BIN=. HF_ENDPOINT="$hub" fetch MODEL="$1"; }
files() { (cd "run/downloads/$1" && echo *); }
status 'a model is fetched by its name' 0 fetch_model owner/tiny
is 'with all its files' "$(files owner/tiny)" \
	'README.md config.json model.safetensors tokenizer.json tokenizer_config.json vocab.txt'
ok 'which are the same' cmp original run/downloads/owner/tiny/model.safetensors
status 'a second time there is nothing to do' 0 fetch_model owner/tiny
is 'and nothing is said' "$out_text$err_text" ''
status 'a model whose weights are in several files' 0 fetch_model owner/shards
is 'is fetched with those that the index names' "$(files owner/shards)" \
	'README.md a-1.safetensors a-2.safetensors config.json model.safetensors.index.json tokenizer.json tokenizer_config.json'
status 'one that the hub has not is an error' 2 fetch_model owner/none
like 'which says so' "$err_text" 'fetch-model: owner/none: no such model on http'
ok 'and leaves no folder under its name' test ! -e run/downloads/owner/none
status 'one without safetensors is an error' 2 fetch_model owner/old
like 'which tells how to convert it' "$err_text" 'no model.safetensors \(.*save_pretrained'
status 'a file whose SHA-1 is not the announced one is an error' 2 fetch_model owner/damaged
like 'which names it' "$err_text" 'owner/damaged/resolve/main/config.json: damaged: its SHA-1'

status 'weights that were cut' 2 fetch_model owner/cut
like 'can be asked for again' "$err_text" 'model.safetensors: cut short \(run the same command to go on\)'
ok 'and are no model yet' test ! -e run/downloads/owner/cut
: > original.log
status 'the same command goes on with them' 0 fetch_model owner/cut
like 'asking for the rest only' "$(cat original.log)" '^bytes=[1-9][0-9]*-$'
ok 'to the whole file' cmp original run/downloads/owner/cut/model.safetensors

status 'a model that is not for everyone' 2 fetch_model owner/gated
like 'says what to do' "$err_text" 'owner/gated/.*not for everyone \(.*HF_TOKEN'
mkdir home
echo secret > home/token
status 'is fetched with the token in HF_HOME' 0 fetch_model owner/gated
is 'which is stored nowhere else' "$(grep -rl secret run home)" home/token
rm home/token
rm -r run/downloads/owner/gated
HF_TOKEN=secret status 'or with HF_TOKEN' 0 fetch_model owner/gated
status 'a hub that is not reached is another failure' 75 env HF_ENDPOINT=http://127.0.0.1:1 \
	fetch-model owner/tiny run/downloads/nowhere
finish
