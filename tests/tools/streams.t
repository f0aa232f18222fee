#!/bin/bash
# streams.t: the properties of every stage's streams: end-of-stream marker, poison after a failure, columns, full disks.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit

mkdir model
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} > model/vocab.txt
for i in $(seq 1200); do
	echo "{\"text\": \"a b c d\", \"label\": $((i % 2)), \"name\": \"$i\", \"extra\": {\"i\": $i}}"
done | rec-load --type text > text.arrows
wordpiece --model model < text.arrows > tokens.arrows
group-texts --chunk-size 4 < tokens.arrows > chunks.arrows
wwm-mask < chunks.arrows > masked.arrows

# A stage with its input's columns, a line each.
stages='text wordpiece --model model
tokens group-texts --chunk-size 4
chunks wwm-mask
chunks random-mask
chunks shuffle-records --epochs 2
chunks split-records --test-size 10 --test-out test.arrows'

while read -r type stage; do
	tool=${stage%% *}
	status "$tool reads $type" 0 bash -c "$stage < $type.arrows > out.arrows"
	status "$tool writes a whole stream" 0 rec-dump out.arrows
	like "$tool is in the lineage" "$(rec-dump --info out.arrows | tr -d ' \n')" "\"tool\":\"$tool\",\"version\""

	for cut in 0 7 100 20000 $(($(stat -c %s $type.arrows) - 8)) $(($(stat -c %s $type.arrows) - 1)); do
		rm -f test.arrows
		status "$tool refuses $type cut at $cut" 65 bash -c "head -c $cut $type.arrows | $stage > out.arrows"
		like "$tool says so in a line" "$err_text" "^$tool: standard input: .*(cut short|empty)"
		is 'one' "$(wc -l < "$scratch/.err")" 1
		status "and its output is not whole" 65 rec-dump out.arrows
		[ "$tool" = split-records ] && ok 'and there is no test set' test ! -e test.arrows
	done
	{ cat $type.arrows; echo; } > more.arrows
	status "$tool refuses data after the marker" 65 bash -c "$stage < more.arrows > out.arrows"
	echo '{"other": 1}' | rec-load > other.arrows
	case $tool in
	shuffle-records | split-records) ;; # these take any record
	*)
		status "$tool refuses a stream without its column" 65 bash -c "$stage < other.arrows > out.arrows"
		like "and names the column" "$err_text" "^$tool: standard input: no column [a-z_]+ \(.*\)$"
		;;
	esac
	status "$tool on a full disk" 73 bash -c "$stage < $type.arrows > /dev/full"
	status "$tool reads a file by its name" 66 bash -c "$stage none.arrows > out.arrows"
done <<< "$stages"

# A failure in the middle of a pipeline reaches its end, whatever the shell makes of the statuses.
head -c -100 text.arrows | wordpiece --model model 2>&- | group-texts --chunk-size 4 2>&- | wwm-mask 2>&- > out.arrows
is 'a failure passes down a pipeline' "${PIPESTATUS[*]}" '0 65 65 65'
status 'to a stream that is refused' 65 rec-dump out.arrows
like 'as one whose stage failed' "$err_text" 'the stage that writes it failed'

# Streams of version 0.1, whose batches have a CRC-32 of their body alone.
if [ -n "$shared" ]; then
	for type in text tokens chunks masked; do
		old=$shared/cases/hostile/bitflip/$type.arrows
		status "a stream of $type of the previous version is read" 0 rec-dump "$old"
		like 'with its records' "$(wc -l <<< "$out_text")" '^[34]$'
		size=$(stat -c %s "$old")
		{ head -c $((size * 6 / 10)) "$old"; printf '\125\125\125\125'; tail -c +$((size * 6 / 10 + 5)) "$old"; } > damaged.arrows
		status 'and refused where its body was changed' 65 rec-dump damaged.arrows
	done
else
	skip 'streams of the previous version are read' 'no ../shared'
fi

# Poison stands at the end of what was written, in the place of a message.
is 'poison is a message header that cannot be satisfied' "$(tail -c 8 out.arrows | od -An -tx1 | tr -d ' \n')" \
	ffffffffffffff7f

# Memory is bounded, whatever the length of the stream: 12 MB of text, and four times as much.
if [ -x /usr/bin/time ] && (ulimit -v 500000; rec-dump text.arrows > /dev/null 2>&1); then
	awk 'BEGIN { for (i = 0; i < 120000; i++) { for (w = 0; w < 12; w++) printf "%c%c %c ", 97 + (i * 7 + w) % 26,
		97 + w, 97 + i % 26; print "" } }' > lines.txt
	mkfifo chunks.fifo
	measured() { # N: peaks of the stages in kilobytes, a line each, on so many times the text
		/usr/bin/time -o 4.peak -f %M random-mask < chunks.fifo > /dev/null &
		for _ in $(seq "$1"); do cat lines.txt; done | imdb-read --format lines |
			/usr/bin/time -o 1.peak -f %M wordpiece --model model | /usr/bin/time -o 2.peak -f %M group-texts |
			tee chunks.fifo | /usr/bin/time -o 3.peak -f %M wwm-mask > /dev/null
		wait
		cat [1-4].peak
	}
	measured 1 > once
	measured 4 > four
	while read -r tool before after; do
		ok "$tool takes less than 64 MiB" test "$after" -lt 65536
		ok "$tool takes no more for a stream four times as long" test "$after" -lt $((before + 8192))
	done < <(printf '%s\n' wordpiece group-texts wwm-mask random-mask | paste -d ' ' - once four)
else
	skip 'memory does not grow with the stream' 'no time(1), or an instrumented build'
fi

if script -qec true /dev/null < /dev/null > /dev/null 2>&1; then
	echo '{"a": 1}' > one.jsonl
	script -qec "rec-load one.jsonl" typescript < /dev/null > terminal 2>&1
	like 'no binary records to a terminal' "$(tr -d '\r' < terminal)" '^rec-load: .*terminal'
	is 'which is wrong usage' "$(script -qec 'rec-load one.jsonl' /dev/null < /dev/null > /dev/null 2>&1; echo $?)" 64
else
	skip 'no binary records to a terminal' 'needs script and a pseudo-terminal'
fi

finish
