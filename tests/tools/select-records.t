#!/bin/bash
# select-records.t: labels, expressions, samples and limits, alone and together; columns and metadata; what is refused.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit 1

for i in $(seq 12); do
	echo '{"text": "text number '$i'\n'"$([ $((i % 3)) = 0 ] && echo café || echo film)"'", "label": '$((i % 3 - 1))', "name": "n'$i'", "more": {"a": ['$i', null]}}'
done > twelve.jsonl
rec-load --type text twelve.jsonl > twelve.arrows
numbers() { # ARGUMENT...: the numbers in the names of what is selected
	select-records "$@" twelve.arrows | rec-dump | sed 's/.*"name": "n\([0-9]*\)".*/\1/' | paste -sd ' '
}

is 'nothing asked for: all records' "$(select-records < twelve.arrows | rec-dump)" "$(rec-dump twelve.arrows)"
is '--label by word' "$(numbers --label pos)" '2 5 8 11'
is '--label by number, several' "$(numbers --label=-1,negative)" '1 3 4 6 7 9 10 12'
is '--label -1' "$(numbers --label -1)" "$(numbers --label unsup)"
is '--match' "$(numbers --match 'number (2|1.)
')" '2 10 11 12'
is 'a dot matches a character, and the end of a line' "$(numbers --match '3.caf.$')" 3
is 'together' "$(numbers --match film --label neg)" '1 4 7 10'
is '--limit takes the first of what is left' "$(numbers --match film --label neg --limit 2)" '1 4'
is '--limit past the end' "$(numbers --limit 100 | wc -w)" 12
is '--label and --match that leave nothing' "$(numbers --label 7 --match x)" ''
is 'all columns pass' "$(select-records --match 'number 7' twelve.arrows | rec-dump)" "$(sed -n 7p twelve.jsonl)"
is 'a NUL is no end to --match' "$(echo '{"text": "a\u0000b"}' | rec-load | select-records --match 'b$' | rec-dump | wc -l)" 1
is 'a null text matches nothing, a null label is -1' "$(printf '{"text": null, "label": null}\n{"text": "", "label": 1}\n' |
	rec-load --type text > null.arrows; select-records --match '.*' null.arrows | rec-dump | wc -l
	select-records --label -1 null.arrows | rec-dump | wc -l)" $'1\n1'
is 'labels of any width' "$(echo '{"label": 3, "x": [1]}' | rec-load | select-records --label 3 | rec-dump)" '{"label": 3, "x": [1]}'
is '--limit reads no further' "$( (cat twelve.arrows; exec cat /dev/zero) | timeout 10 select-records --limit 3 | rec-dump | wc -l)" 3

is '--sample keeps the order' "$(numbers --sample 12 --seed 5)" "$(seq 12 | paste -sd ' ')"
sampled=$(numbers --sample 3 --seed 5)
is '--sample takes that many' "$(wc -w <<< "$sampled")" 3
is 'the same ones again' "$(numbers --sample 3 --seed 5)" "$sampled"
is '--limit after --sample' "$(numbers --sample 3 --seed 5 --limit 2)" "${sampled% *}"
ok 'another seed, another sample' test "$(numbers --sample 3 --seed 6)" != "$sampled"
is '--sample of what the tests left' "$(numbers --sample 5 --label 0)" '1 4 7 10'
is 'a sample has all columns' "$(select-records --sample 4 --seed 2 twelve.arrows | rec-dump | grep -cFxf twelve.jsonl)" 4

info() { rec-dump --info | tr -d ' \n'; }
shuffle-records twelve.arrows > known.arrows
like 'the number of records: known' "$(select-records --limit 5 < known.arrows | info)" '"records":5,'
like 'of a sample' "$(select-records --sample 5 --match film < known.arrows | info)" '"records":5,'
is 'of what passes a test: not known' "$(select-records --match film < known.arrows | info | grep -c '"records"')" 0
is 'epochs are no longer whole' "$(shuffle-records --epochs 2 twelve.arrows | select-records --limit 5 | info | grep -c '"epochs"')" 0
like 'the seed is in the lineage' "$(select-records --sample 3 --seed 5 < twelve.arrows | info)" '"seed":5'
like 'not where chance plays no part' "$(select-records --seed 5 < twelve.arrows | info)" '"seed":null\}\]'
like 'the lineage goes on' "$(select-records < twelve.arrows | info)" '"tool":"rec-load".*"tool":"select-records"'

printf 'label,text\nham,hello\nspam,win\n' | imdb-read --labels ham,spam > sms.arrows
is 'the names of a stream are its labels' "$(select-records --label spam sms.arrows | rec-dump)" \
	'{"text": "win", "label": 1, "name": "-:3"}'
status 'others are not' 64 select-records --label pos sms.arrows
like 'which is said' "$err_text" "^select-records: --label: pos is neither a whole number nor one of the stream's labels"

status 'an unknown label' 64 select-records --label good twelve.arrows
status 'an empty label' 64 select-records --label pos, twelve.arrows
status 'an expression that is none' 64 select-records --match '(' twelve.arrows
like 'is named' "$err_text" '^select-records: --match: \(: '
status 'a limit of nothing' 64 select-records --limit 0 twelve.arrows
echo '{"input_ids": [1]}' | rec-load > tokens.arrows
status 'no label' 65 select-records --label 1 tokens.arrows
status 'no text' 65 select-records --match x tokens.arrows
is 'neither is needed for a limit' "$(select-records --limit 1 tokens.arrows | rec-dump)" '{"input_ids": [1]}'
head -c -8 twelve.arrows > cut.arrows
status 'a stream cut short' 65 bash -c 'select-records --sample 2 cut.arrows > out.arrows'
is 'leaves nothing that passes for one' "$(rec-dump out.arrows 2> /dev/null | wc -l)" 0

# 64 MiB. An instrumented build, which cannot run in so little address space, needs more memory of its own.
if [ -x /usr/bin/time ] && (ulimit -v 500000; select-records twelve.arrows > /dev/null 2>&1); then
	yes "$(printf 'word%.0s ' $(seq 100))" | head -n 125000 | imdb-read --format lines > large.arrows
	for arguments in '--match word' '--sample 9'; do
		# shellcheck disable=SC2086
		/usr/bin/time -o peak -f %M select-records $arguments large.arrows > /dev/null
		ok "$arguments takes less than 64 MiB" test "$(cat peak)" -lt 65536
	done
else
	skip 'streaming takes less than 64 MiB' 'no time(1), or an instrumented build'
fi

finish
