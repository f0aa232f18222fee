#!/bin/bash
# sandbox.t: the tools that read what strangers wrote cannot open files while they do; a preloaded library tries.
. "$(dirname "$0")/../tap.sh"
opens=${CLOZE_BUILD:-$top/build}/tests/fault/opens.so
cd "$scratch" || exit 1

model=$fixtures/train/distilbert
echo '{"text": "a film", "label": 1}' > lines.jsonl
rec-load --type text lines.jsonl > text.arrows
mkdir folder
echo 'a film' > folder/a.txt
echo 'a [MASK] film' > masks.txt

inside() { # COMMAND...: what the library could do when the command had ended
	rm -f made
	LD_PRELOAD=$opens OPENS_FILE=made "$@" 2>&1 > out | grep '^inside:'
	[ ! -e made ] || echo made
}

if ! LD_PRELOAD=$opens true 2> /dev/null || ldd "$(command -v rec-dump)" | grep -q asan; then
	skip 'the sandbox' 'no library to preload, or a sanitizer that must come first'
	finish
fi
is 'outside of it everything can be done' "$(inside rec-dump text.arrows | head -n 1)" 'inside: reads makes runs connects'
if rec-load --verbose lines.jsonl 2>&1 > out | grep -q 'no sandbox'; then
	skip 'the sandbox' 'this kernel has no Landlock'
	finish
fi

# Kernels from 6.7 on can refuse connections too.
closed='inside:' reading='inside: reads'
case $(inside rec-load lines.jsonl) in *connects) closed+=' connects' reading+=' connects' ;; esac
while read -r command; do
	# shellcheck disable=SC2086
	is "$command: no file" "$(inside $command)" "$closed"
	ok 'and the output is there' test -s out
	# shellcheck disable=SC2086
	is 'unless it is switched off' "$(inside $command --no-sandbox | head -n 1)" 'inside: reads makes runs connects'
done << END
imdb-read lines.jsonl
rec-load lines.jsonl
wordpiece --model $model text.arrows
fill-mask --model $model masks.txt
END
is 'imdb-read of a folder reads' "$(inside imdb-read folder)" "$reading"
is 'imdb-read of several files reads no more after the last' "$(inside imdb-read lines.jsonl lines.jsonl)" "$closed"
is 'model-info reads' "$(inside model-info "$model")" "$reading"
is 'and does all without it' "$(inside model-info --no-sandbox "$model" | head -n 1)" 'inside: reads makes runs connects'

is 'the output is the same without it' "$(rec-load lines.jsonl | cksum)" "$(rec-load --no-sandbox lines.jsonl | cksum)"
finish
