#!/bin/bash
# rec-cat.t: streams joined: records, columns, vocabularies, lineages; shards that become whole; what is refused.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit 1

mkdir model other
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} > model/vocab.txt
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {b..z} > other/vocab.txt
info() { rec-dump --info "$@" | tr -d ' \n'; }

echo '{"a": 1, "b": {"c": [1, null]}}' | rec-load > one.arrows
printf '{"b": {"c": [3]}, "a": 2}\n{"b": null, "a": null}\n' | rec-load > two.arrows
is 'records one after the other, columns by name' "$(rec-cat one.arrows two.arrows one.arrows | rec-dump)" \
'{"a": 1, "b": {"c": [1, null]}}
{"a": 2, "b": {"c": [3]}}
{"a": null, "b": null}
{"a": 1, "b": {"c": [1, null]}}'
is 'standard input, by name or alone' "$(rec-cat one.arrows - < two.arrows | rec-cat | rec-dump | wc -l)" 3
is 'pipes' "$(rec-cat <(cat one.arrows) <(cat two.arrows) | rec-dump | wc -l)" 3
is 'streams of no records' "$(rec-cat <(rec-load --type text < /dev/null) <(echo '{"text": "x"}' | rec-load --type text) | rec-dump)" \
	'{"text": "x"}'

# ---- what is known of them
like 'one lineage stays' "$(rec-cat one.arrows one.arrows | info)" '"lineage":\[\{"tool":"rec-load"[^{]*\},\{"tool":"rec-cat"[^{]*\}\]'
status 'epoch is a column that the first does not have' 65 bash -c 'shuffle-records two.arrows | rec-cat one.arrows -'
like 'which is said' "$err_text" '^rec-cat: standard input: a column epoch, which the first stream does not have'
like 'lineages that differ are kept' "$(rec-cat one.arrows <(select-records two.arrows) | info)" \
	'"lineage":\[\{"tool":"rec-cat".*"inputs":\[\[\{"tool":"rec-load"[^]]*\]?[^]]*\}\],\[\{"tool":"rec-load".*"tool":"select-records"'
shuffle-records one.arrows > known.arrows
like 'numbers of records are added' "$(rec-cat known.arrows known.arrows | info)" '"records":2,'
imdb-read --format lines <<< 'x' > unknown.arrows
shuffle-records unknown.arrows | select-records --limit 1 > known.arrows
is 'unless one is not known' "$(rec-cat known.arrows <(shuffle-records unknown.arrows | select-records --label -1) | info | grep -c '"records"')" 0
for folder in model other; do
	echo '{"text": "a b c"}' | rec-load --type text | wordpiece --model $folder > $folder.arrows
done
is 'one vocabulary stays' "$(rec-cat model.arrows model.arrows | info | grep -o '"vocab_size":[0-9]*')" '"vocab_size":31'
status 'two vocabularies' 65 bash -c 'rec-cat model.arrows other.arrows > out.arrows'
like 'are refused' "$err_text" '^rec-cat: other.arrows: its vocabulary is another one than that of model.arrows'
is 'before anything is written' "$(stat -c %s out.arrows)" 0
for names in ham,spam a,b; do printf 'text,label\nx,1\n' | imdb-read --labels $names > $names.arrows; done
like 'names of labels stay' "$(rec-cat ham,spam.arrows ham,spam.arrows | info)" '"labels":\["ham","spam"\]'
status 'other names' 65 rec-cat ham,spam.arrows a,b.arrows
like 'are refused' "$err_text" 'its labels have other names than those of ham,spam.arrows'
echo '{"a": "x", "b": {"c": [1]}}' | rec-load > text.arrows
status 'another type' 65 rec-cat one.arrows text.arrows
like 'is refused by name' "$err_text" '^rec-cat: text.arrows: column a is utf8, and int64 in the first stream'
echo '{"a": 1}' | rec-load > less.arrows
status 'a column less' 65 rec-cat one.arrows less.arrows
like 'is refused by name' "$err_text" '^rec-cat: less.arrows: no column b, which the first stream has'
head -c -8 two.arrows > cut.arrows
status 'a stream cut short' 65 bash -c 'rec-cat one.arrows cut.arrows > out.arrows'
status 'is not passed on as whole' 65 rec-dump out.arrows
status 'no such file' 66 rec-cat one.arrows none.arrows

# ---- shards: every stage on each of them, then joined, is the same to the byte
awk 'BEGIN { for (i = 1; i <= 4321; i++) printf "{\"text\": \"%c %c%c a b\", \"label\": %d}\n", 97 + i % 26, 97 + i % 7, 97 + i % 11, i % 2 }' |
	rec-load --type text > text.arrows
stages() { wordpiece --model model | group-texts --chunk-size 16; }
stages < text.arrows > whole.arrows
split-records --shards 3 --out part < text.arrows
for part in part-*; do stages < "$part" > "chunks-$part"; done
rec-cat chunks-part-*.arrows > joined.arrows
ok 'shards become whole again' cmp joined.arrows whole.arrows
like 'a shard tells which it is' "$(info part-00001-of-00003.arrows)" '"seed":null,"shard":1,"shards":3'
shuffle-records --epochs 1 text.arrows > counted.arrows
split-records --shards 2 --out counted < counted.arrows
ok 'where the number of records was known as well' bash -c 'rec-cat counted-*-of-00002.arrows | rec-dump --info | grep -q "\"records\": 4321"'
is 'not in another order' "$(rec-cat part-0000{1,0,2}-of-00003.arrows | info | grep -o '"tool":"rec-cat"')" '"tool":"rec-cat"'
is 'and not without one of them' "$(rec-cat part-0000{0,1}-of-00003.arrows | info | grep -o '"tool":"rec-cat"')" '"tool":"rec-cat"'
is 'imdb-read reads a folder of shards' "$(mkdir shards && mv part-* shards && imdb-read shards | rec-dump | cut -d , -f 1,2 | cksum)" \
	"$(rec-dump text.arrows | sed 's/}$//' | cut -d , -f 1,2 | cksum)"
is 'and finds one lineage' "$(imdb-read shards | info | grep -o '"tool":"[a-z-]*"' | paste -sd ' ')" '"tool":"rec-load" "tool":"imdb-read"'

if [ -n "$python" ]; then
	"$python" - <<'END' 2> /dev/null
import datasets
datasets.disable_progress_bars()
part = lambda a, b: datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(a, b)], "label": [i % 2 for i in range(a, b)]})
part(0, 12).save_to_disk("saved", num_shards=11)
datasets.DatasetDict({"train": part(0, 3), "test": part(3, 5)}).save_to_disk("dict")
END
	is 'save_to_disk: eleven shards in order' "$(imdb-read saved | rec-dump | sed 's/.*"text \([0-9]*\)".*/\1/' | paste -sd ' ')" \
		"$(seq 0 11 | paste -sd ' ')"
	is 'a DatasetDict' "$(imdb-read dict | rec-dump | wc -l)" 5
	is 'a split of it' "$(imdb-read --split test dict | rec-dump | grep -o 'text [0-9]' | paste -sd ' ')" 'text 3 text 4'
	status 'a split that it does not have' 65 imdb-read --split unsupervised dict
	status 'a Dataset has no splits' 64 imdb-read --split test saved
else
	skip 'folders of save_to_disk' 'no Python with datasets'
fi

finish
