#!/bin/bash
# readme.t: the README's commands for a shell work as they stand there, after `make run`.
. "$(dirname "$0")/../tap.sh"

# What make run leaves, less its training.
mkdir -p "$scratch/run/demo"
cd "$scratch/run/demo" || exit 1
"$top/pipelines/sample-reviews" corpus && tar -C corpus -czf aclImdb.tar.gz aclImdb
imdb-read --split all aclImdb.tar.gz | wordpiece-train --vocab-size 2000 > vocab.txt
sed -n '/^cat > config.json/,/^CONFIG/p' "$top/pipelines/demo" | sed '1d;$d' > config.json
model-init --config config.json --vocab vocab.txt --seed 1 --out model
cd "$scratch" || exit 1

sed -n '/^    PATH=/,/^[^ ]/s/^    //p' "$top/README.md" > commands
ln -s "${CLOZE_BIN:-$top/bin}" bin
ok 'the commands are found' grep -q train-step commands
status 'they run' 0 bash -e -o pipefail commands
like 'they end with words for the mask' "$(tail -n 5 <<< "$out_text" | cut -f 3)" '^this is a great '
is 'the perplexity is lower after than before' \
	"$(awk '/^perplexity/ { if (last) print $2 < last; last = $2 }' <<< "$out_text")" 1

finish
