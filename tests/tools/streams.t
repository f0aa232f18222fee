#!/bin/bash
# streams.t: what every stage owes to the streams it reads and writes: the marker, the poison, columns, full disks.
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
head -c 30000 text.arrows | wordpiece --model model 2>&- | group-texts --chunk-size 4 2>&- | wwm-mask 2>&- > out.arrows
is 'a failure passes down a pipeline' "${PIPESTATUS[*]}" '0 65 65 65'
status 'to a stream that is refused' 65 rec-dump out.arrows
like 'as one whose stage failed' "$err_text" 'the stage that writes it failed'

# Poison stands at the end of what was written, in the place of a message.
is 'poison is a message header that cannot be satisfied' "$(tail -c 8 out.arrows | od -An -tx1 | tr -d ' \n')" \
	ffffffffffffff7f

if script -qec true /dev/null < /dev/null > /dev/null 2>&1; then
	echo '{"a": 1}' > one.jsonl
	script -qec "rec-load one.jsonl" typescript < /dev/null > terminal 2>&1
	like 'no binary records to a terminal' "$(tr -d '\r' < terminal)" '^rec-load: .*terminal'
	is 'which is wrong usage' "$(script -qec 'rec-load one.jsonl' /dev/null < /dev/null > /dev/null 2>&1; echo $?)" 64
else
	skip 'no binary records to a terminal' 'needs script and a pseudo-terminal'
fi

finish
