#!/bin/bash
# progress.t: the progress line on a terminal (by tmux) of several widths; without a terminal, only with --progress.
. "$(dirname "$0")/../tap.sh"

printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' film > "$scratch/vocab.txt"
yes '{"text": "film film film"}' | head -n 20000 | rec-load --type text > "$scratch/text.arrows"

status 'nothing is told where there is no terminal' 0 wordpiece --vocab "$scratch/vocab.txt" "$scratch/text.arrows"
is 'not a word' "$err_text" ''
status '--progress asks for it' 0 wordpiece --vocab "$scratch/vocab.txt" --progress "$scratch/text.arrows"
like 'in whole lines' "$err_text" '^wordpiece: [0-9]+ records$'
is 'and changes nothing that is written' \
	"$(wordpiece --vocab "$scratch/vocab.txt" --progress "$scratch/text.arrows" 2> "$scratch/lines" | cksum)" \
	"$(wordpiece --vocab "$scratch/vocab.txt" "$scratch/text.arrows" | cksum)"
status 'an evaluation tells its loss' 0 bash -c "
	echo '{\"input_ids\": [2, 4, 3], \"labels\": [-100, 5, -100]}' | rec-load --type masked |
		perplexity --progress --model $fixtures/train/distilbert > /dev/null"
like 'beside the records' "$err_text" '^perplexity: 1 records.*, loss [0-9.]+'
status 'so does training' 0 bash -c "
	rec-load --type masked $fixtures/train/distilbert/train.jsonl | train-step --progress --logging-steps 1 --max-steps 2 \
		--model $fixtures/train/distilbert --out $scratch/tuned > /dev/null"
like 'beside the steps' "$err_text" '^train-step: 1 of 2 steps \(50 %\), loss [0-9.]+'

# The line that wordpiece leaves on a terminal of that width while it waits for the rest of its input: the stream comes
# in parts, so that there is time between them, and is held open. Waits at most ten seconds for a line of the pattern.
on_terminal() { # COLUMNS PATTERN
	local socket=$scratch/tmux-$1 line='' tries=0
	mkfifo "$scratch/pipe-$1"
	tmux -S "$socket" -f /dev/null new-session -d -x "$1" -y 10 \
		"PATH=$PATH; wordpiece --threads 1 --vocab $scratch/vocab.txt < $scratch/pipe-$1 > /dev/null; sleep 60" || return
	exec 9> "$scratch/pipe-$1"
	head -c 400000 "$scratch/shuffled.arrows" >&9
	while [ $tries -lt 100 ] && ! grep -qE "$2" <<< "$line"; do
		sleep 0.1
		[ $tries != 3 ] || tail -c +400001 "$scratch/shuffled.arrows" | head -c 400000 >&9
		line=$(tmux -S "$socket" capture-pane -p | grep .)
		tries=$((tries + 1))
	done
	tmux -S "$socket" kill-server
	exec 9>&-
	printf '%s\n' "$line"
}
shuffle-records "$scratch/text.arrows" > "$scratch/shuffled.arrows" # tells the number of records
done='wordpiece: [0-9]+ of 20000'
whole="$done records \([0-9]+ %\), [0-9]:[0-9]{2} left, [0-9.]+/s"
for case in "20:wordpiece: [0-9]+" "32:$done" "50:$done records \([0-9]+ %\)" \
	"80:$whole" "200:$whole"; do
	width=${case%%:*}
	if command -v tmux > /dev/null; then
		line=$(on_terminal "$width" "^${case#*:}$")
		like "a terminal of $width columns shows what it has place for" "$line" "^${case#*:}$"
		is "in one line of $width columns" "$([ "$(wc -l <<< "$line")" = 1 ] && [ ${#line} -lt "$width" ] && echo yes)" yes
	else
		skip "a terminal of $width columns shows what it has place for" 'no tmux'
		skip "in one line of $width columns" 'no tmux'
	fi
done
finish
