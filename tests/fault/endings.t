#!/bin/bash
# endings.t: a tool with unexpected files, descriptors or signals ends with one line, the right status, and no files left.
. "$(dirname "$0")/../tap.sh"

cd "$scratch" || exit 1
cp -r "$fixtures/train/distilbert" m
rec-load --type masked m/eval.jsonl > eval.arrows
for i in $(seq 2000); do echo "{\"text\": \"word$((i * i % 577)) of number$((i % 91))\"}"; done | rec-load --type text > text.arrows

# A mapped file that is cut while it is used: fill-mask has the model when it has answered once.
mkfifo lines answers
fill-mask --model m --top-k 1 < lines > answers 2> err &
process=$!
exec 5> lines 4< answers
word=$(grep -m 1 '^[a-z][a-z]' m/vocab.txt 2> /dev/null || echo the)
mask=$(jq -r '.mask_token // "[MASK]"' m/tokenizer_config.json 2> /dev/null || echo '[MASK]')
echo "$word $mask" >&5
for _ in $(seq 400); do ! grep -q safetensors /proc/$process/maps || break; sleep 0.05; done
: > m/model.safetensors
echo "$mask $word" >&5
exec 5>&-
cat <&4 > /dev/null
exec 4<&-
got=0
wait $process || got=$?
case $got in
0) skip 'a model that is cut while it is mapped' 'fill-mask read all of it before' ;;
*) is 'a model that is cut while it is mapped' "$got $(cat err)" \
	"74 fill-mask: $scratch/m/model.safetensors: cannot be read any more (it was cut or written to while it was in use, or its disk fails)" ;;
esac
rm lines answers

# What is not a regular file is refused, not waited for.
for kind in fifo device link folder; do
	for file in config.json model.safetensors tokenizer.json; do
		rm -rf odd
		cp -r "$fixtures/train/distilbert" odd
		rm -f "odd/$file"
		case $kind in
		fifo) mkfifo "odd/$file" ;;
		device) ln -s /dev/zero "odd/$file" ;;
		link) ln -s nowhere "odd/$file" ;;
		folder) mkdir "odd/$file" ;;
		esac
		tool=(perplexity --model odd eval.arrows)
		[ $file != tokenizer.json ] || tool=(wordpiece --model odd text.arrows)
		status "$kind for $file is refused" 66 timeout 20 "${tool[@]}"
		like "$kind for $file is named, in one line" "$err_text" "^${tool[0]}: odd/$file: .+$"
	done
done
rm -rf odd
cp -r "$fixtures/train/distilbert" odd
rm -f odd/tokenizer.json odd/vocab.txt
mkfifo odd/vocab.txt
status 'a vocabulary that cannot be read is not taken for none' 66 timeout 20 perplexity --model odd eval.arrows
ok 'a list may come from <(command)' bash -c \
	"wordpiece --vocab <(wordpiece-train --vocab-size 200 text.arrows) text.arrows > /dev/null"

# Closed standard descriptors are never files of a tool's own.
status 'closed standard input' 74 bash -c 'rec-dump <&-'
like 'is said' "$err_text" '^rec-dump: standard input: .*Bad file descriptor'
status 'closed standard output' 74 bash -c 'rec-dump eval.arrows >&-'
like 'is said' "$err_text" '^rec-dump: standard output: Bad file descriptor'
bash -c "exec >&- 2>&-; split-records --test-size 1 --test-out test.arrows eval.arrows"
is 'closed output and error: an error' "$?" 74
is 'and no file of ours is written to by mistake' "$(ls test.arrows* 2> /dev/null)" ''

# A long path does not cost the reason.
long=$(printf 'x%.0s' $(seq 200))
long=$long/$long/$long/$long/$long/$long/$long
status 'a long path' 66 rec-dump "$long"
like 'and its reason' "$err_text" 'No such file or directory$'

# A vocabulary appears whole or not at all.
echo before > vocab.txt
status 'a vocabulary too large for the limit' 153 bash -c 'ulimit -f 1; wordpiece-train text.arrows > vocab.txt; exit $?'
is 'is not there in part' "$(wc -c < vocab.txt)" 0

# No thread can be had: one line and 71. (root has no limit of processes.)
as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
[ "$(id -u)" = 0 ] || as=()
if "${as[@]}" bash -c 'exec split-records --version' > /dev/null 2>&1; then
	chmod 755 .
	chmod 644 eval.arrows
	status 'split-records without a thread for signals' 71 "${as[@]}" bash -c \
		"ulimit -u 1; exec \"$(command -v split-records)\" --test-size 1 --test-out /tmp/none.$$ < eval.arrows > /dev/null"
	is 'says so in one line' "$(wc -l <<< "$err_text")" 1
else
	skip 'split-records without a thread for signals' 'no setpriv, or tools that only root can run'
fi
finish
