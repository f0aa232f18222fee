#!/bin/bash
# wordpiece-train.t: text records become a vocabulary that wordpiece and the reference can use.
. "$(dirname "$0")/../tap.sh"

cat > "$scratch/text.jsonl" <<'END'
{"text": "Hug hug pug, hug.", "label": 1}
{"text": "", "label": 0}
{"text": "Pûn pun pun hugs hugs!", "label": 1}
END
rec-load --type text "$scratch/text.jsonl" > "$scratch/text.arrows"

is 'special tokens, characters, then merges by frequency' \
	"$(wordpiece-train --vocab-size 20 "$scratch/text.arrows" | tr '\n' ' ')" \
	'[PAD] [UNK] [CLS] [SEP] [MASK] ! , . g h n p s u ##u ##g ##s ##n ##ug hug '
is '--min-frequency stops early' \
	"$(wordpiece-train --min-frequency 3 "$scratch/text.arrows" | tail -n 4 | tr '\n' ' ')" \
	'##ug hug pu pun '
is '--cased keeps case and accents' \
	"$(wordpiece-train --cased --vocab-size 1 "$scratch/text.arrows" | tr '\n' ' ')" \
	'[PAD] [UNK] [CLS] [SEP] [MASK] ! , . H P g h n p s u û ##u ##g ##û ##n ##s '
wordpiece-train < "$scratch/text.arrows" > "$scratch/vocab.txt"
is 'what it learned tokenizes the text into whole words' \
	"$(wordpiece --vocab "$scratch/vocab.txt" "$scratch/text.arrows" | rec-dump | sed 's/.*"word_ids": //; s/, "label.*//')" \
	'[null, 0, 1, 2, 3, 4, 5, null]
[null, null]
[null, 0, 1, 2, 3, 4, 5, null]'

for i in $(seq 1 3000); do
	echo "{\"text\": \"word$((i * i % 577)) of number$((i % 91)) and é$((i % 7))\"}"
done > "$scratch/many.jsonl"
rec-load --type text "$scratch/many.jsonl" | wordpiece-train --vocab-size 400 > "$scratch/forward"
tac "$scratch/many.jsonl" | rec-load --type text | wordpiece-train --vocab-size 400 > "$scratch/backward"
ok 'the order of the documents does not matter' cmp "$scratch/forward" "$scratch/backward"
is 'as many tokens as were asked for' "$(wc -l < "$scratch/forward" | tr -d ' ')" 400
is 'none of them twice' "$(sort "$scratch/forward" | uniq -d)" ''

: | rec-load --type text > "$scratch/empty.arrows"
is 'no documents: the special tokens' "$(wordpiece-train "$scratch/empty.arrows" | tr '\n' ' ')" \
	'[PAD] [UNK] [CLS] [SEP] [MASK] '
status 'a size of 0 is refused' 64 wordpiece-train --vocab-size 0 "$scratch/text.arrows"
size=$(stat -c %s "$scratch/text.arrows")
head -c $((size - 8)) "$scratch/text.arrows" > "$scratch/cut.arrows"
status 'a stream without its end is refused' 65 bash -c "wordpiece-train $scratch/cut.arrows"
is 'and no vocabulary comes out' "$out_text" ''
status 'a full disk is an error' 73 bash -c "wordpiece-train $scratch/text.arrows > /dev/full"
finish
