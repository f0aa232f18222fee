#!/bin/bash
# fetch.t: downloads from a hub on this machine: whole, resumed, checked.
. "$(dirname "$0")/../tap.sh"
PATH=$top/pipelines:$PATH

if ! command -v curl > /dev/null || ! command -v python3 > /dev/null; then
	skip 'downloads' 'needs curl and python3'
	finish
fi

cd "$scratch" || exit
head -c 3000000 /dev/urandom > original
python3 "$top/tests/tools/hub.py" original port &
trap 'kill %1; rm -rf "$scratch"' EXIT
for _ in $(seq 100); do [ -e port ] && break; sleep 0.1; done
hub=http://127.0.0.1:$(cat port)
export no_proxy=127.0.0.1

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
# A model by its name on the hub, as a tool tells that has no such folder.
ln -s "$top/pipelines" pipelines
fetch_model() { make -f pipelines/imdb.mk BIN=. HF_ENDPOINT="$hub" fetch MODEL="$1"; }
status 'a model is fetched by its name' 0 fetch_model owner/tiny
is 'with all its files' "$(cd run/downloads/owner/tiny && echo *)" \
	'config.json model.safetensors tokenizer.json tokenizer_config.json vocab.txt'
ok 'which are the same' cmp original run/downloads/owner/tiny/model.safetensors
status 'one that the hub has not is an error' 2 fetch_model owner/none
ok 'and leaves no folder under its name' test ! -e run/downloads/owner/none
finish
