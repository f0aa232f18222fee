#!/bin/bash
# wordpiece.t: text records to tokens: columns, settings, threads, streams from elsewhere, and what is refused.
. "$(dirname "$0")/../tap.sh"

vocab=$fixtures/text/vocab.txt
cat > "$scratch/text.jsonl" <<'END'
{"text": "This film is not GREAT.", "label": 1, "name": "pos/1"}
{"text": "", "label": 0, "name": "neg/2"}
{"text": "Unfilmable [MASK]!", "label": -1, "name": "unsup/3"}
END
rec-load --type text "$scratch/text.jsonl" > "$scratch/text.arrows"

is 'tokens, word ids and the label; text and name end here' \
	"$(wordpiece --vocab "$vocab" "$scratch/text.arrows" | rec-dump | tr -d ' ')" \
	'{"input_ids":[2,217,219,215,223,221,18,3],"word_ids":[null,0,1,2,3,4,5,null],"label":1}
{"input_ids":[2,3],"word_ids":[null,null],"label":0}
{"input_ids":[2,89,197,189,192,195,196,287,4,5,3],"word_ids":[null,0,0,0,0,0,0,0,1,2,null],"label":-1}'
is '--cased keeps case' \
	"$(wordpiece --cased --vocab "$vocab" < "$scratch/text.arrows" | rec-dump | head -n 1 | sed 's/, "word_ids.*//')" \
	'{"input_ids": [2, 56, 191, 192, 202, 219, 215, 223, 43, 175, 162, 158, 177, 18, 3]'
is '--max-length cuts, and keeps [SEP]' \
	"$(wordpiece --max-length 4 --vocab "$vocab" < "$scratch/text.arrows" | rec-dump | sed 's/, "label.*//' | tr -d ' ')" \
	'{"input_ids":[2,217,219,3],"word_ids":[null,0,1,null]
{"input_ids":[2,3],"word_ids":[null,null]
{"input_ids":[2,89,197,3],"word_ids":[null,0,0,null]'
is '--model takes the added tokens of a tokenizer.json' \
	"$(echo '{"text": "YESTERDAY, <extra>  films"}' | rec-load | wordpiece --model "$fixtures/text/added" | rec-dump)" \
	'{"input_ids": [2, 301, 16, 300, 304, 3], "word_ids": [null, 0, 1, 2, 3, null]}'
mkdir "$scratch/model"
cp "$vocab" "$scratch/model"
is '--model with a vocab.txt alone is uncased' \
	"$(wordpiece --model "$scratch/model" "$scratch/text.arrows" | rec-dump)" \
	"$(wordpiece --vocab "$vocab" "$scratch/text.arrows" | rec-dump)"
echo '{"do_lower_case": false}' > "$scratch/model/tokenizer_config.json"
is 'and its tokenizer_config.json can say otherwise' \
	"$(wordpiece --model "$scratch/model" "$scratch/text.arrows" | rec-dump)" \
	"$(wordpiece --cased --vocab "$vocab" "$scratch/text.arrows" | rec-dump)"
cp "$fixtures/text/added/tokenizer.json" "$scratch/model"
is 'of a tokenizer.json too, where they disagree' \
	"$(wordpiece --model "$scratch/model" "$scratch/text.arrows" | rec-dump | head -n 1)" \
	"$(wordpiece --cased --vocab "$vocab" "$scratch/text.arrows" | rec-dump | head -n 1)"
echo '{"do_lower_case": false, "tokenizer_class": "PreTrainedTokenizerFast"}' > "$scratch/model/tokenizer_config.json"
is 'but for the class that goes by the tokenizer.json alone' \
	"$(wordpiece --model "$scratch/model" "$scratch/text.arrows" | rec-dump | head -n 1)" \
	"$(wordpiece --model "$fixtures/text/added" "$scratch/text.arrows" | rec-dump | head -n 1)"

info=$(wordpiece --vocab "$vocab" "$scratch/text.arrows" | rec-dump --info | tr -d ' \n')
like 'the stream says that these are tokens' "$info" '"type":"tokens"'
like 'it tells the special ids' "$info" '"special_ids":\{"pad":0,"unk":1,"cls":2,"sep":3,"mask":4\}'
like 'it tells the vocabulary' "$info" '"vocab_size":300,"vocab_fingerprint":"crc32:38897bff"'

# More documents than a window of them, in one batch and in many, some of them long.
for i in $(seq 1 1500); do
	printf '{"text": "%s film %s and the story", "label": %s}\n' "$i" "$((i * i))" "$i"
	[ $((i % 100)) != 0 ] || printf '{"text": "%s", "label": 0}\n' "$(seq 1 20000 | tr '\n' ' ')"
done | rec-load --type text > "$scratch/many.arrows"
wordpiece --threads 1 --vocab "$vocab" "$scratch/many.arrows" | rec-dump | cksum > "$scratch/one"
wordpiece --threads 5 --vocab "$vocab" "$scratch/many.arrows" | rec-dump > "$scratch/five.jsonl"
is 'the output does not depend on the threads' "$(cksum < "$scratch/five.jsonl")" "$(cat "$scratch/one")"
is 'every document comes out once, in order' \
	"$(sed -E 's/.*"label": ([0-9]+).*/\1/' "$scratch/five.jsonl" | grep -v '^0$' | cksum)" "$(seq 1 1500 | cksum)"

status 'plain text is no stream' 65 bash -c "echo 'This film is not great.' | wordpiece --vocab $vocab"
like 'what makes one of it is told' "$err_text" 'imdb-read --format lines'
status 'a line shorter than the first message header too' 65 bash -c "echo Hi | wordpiece --vocab $vocab"
like 'is answered alike' "$err_text" 'imdb-read --format lines'
status 'JSON lines are no stream' 65 bash -c "echo '{}' | wordpiece --vocab $vocab"
like 'their tool is told' "$err_text" 'rec-load'

printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the The film Film '##s' > "$scratch/cased.txt"
status 'a cased vocabulary without --cased is read' 0 \
	bash -c "wordpiece --vocab $scratch/cased.txt $scratch/text.arrows > /dev/null"
like 'with a warning' "$err_text" 'cased.txt: 2 of its 10 tokens begin with an upper-case letter.*--cased'
status 'with --cased' 0 bash -c "wordpiece --cased --vocab $scratch/cased.txt $scratch/text.arrows > /dev/null"
is 'without one' "$err_text" ''
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the film '##s' > "$scratch/uncased.txt"
status 'an uncased vocabulary' 0 bash -c "wordpiece --vocab $scratch/uncased.txt $scratch/text.arrows > /dev/null"
is 'is not warned of' "$err_text" ''

if [ -n "$shared" ]; then
	for case in model-type-missing added-tokens-json additional-special-in-vocab id-hole; do
		is "the tokenizer of $case" "$(cd "$shared/cases/text/$case" && bash cmd)" \
			"$(sed 's/   (.*//' "$shared/cases/text/$case/expected")"
	done
	for case in cls-wraps two-models vocab-array vocab-missing; do
		status "the damaged tokenizer $case is refused" 65 \
			wordpiece --model "$shared/cases/hostile/tokenizer/$case" "$scratch/text.arrows"
	done
else
	skip 'tokenizers that went wrong' 'no ../shared'
fi

status 'a model and a vocabulary are one too many' 64 \
	wordpiece --model "$scratch/model" --vocab "$vocab" "$scratch/text.arrows"
status 'one of them is needed' 64 wordpiece "$scratch/text.arrows"
like 'which is said' "$err_text" '^wordpiece: --vocab, --model: neither given'
status '--cased is not for a model folder' 64 wordpiece --cased --model "$scratch/model" "$scratch/text.arrows"
status 'a length of 1 has no room' 64 wordpiece --max-length 1 --vocab "$vocab" "$scratch/text.arrows"
status 'a vocabulary that is not there' 66 wordpiece --vocab "$scratch/none" "$scratch/text.arrows"
status 'a folder without a tokenizer' 66 wordpiece --model "$scratch" "$scratch/text.arrows"
printf '[UNK]\n[CLS]\n' > "$scratch/short.txt"
status 'a vocabulary without [SEP]' 65 wordpiece --vocab "$scratch/short.txt" "$scratch/text.arrows"
like 'it is named' "$err_text" 'short.txt: no token \[SEP\]'
mkdir "$scratch/bpe"
echo '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}' > "$scratch/bpe/tokenizer.json"
status 'a tokenizer of another kind' 65 wordpiece --model "$scratch/bpe" "$scratch/text.arrows"
like 'the kind is named' "$err_text" 'its model is BPE, not WordPiece'
wordpiece --vocab "$vocab" "$scratch/text.arrows" > "$scratch/tokens.arrows"
status 'a stream without text' 65 wordpiece --vocab "$vocab" "$scratch/tokens.arrows"
size=$(stat -c %s "$scratch/many.arrows")
for part in 10 50 99; do
	head -c $((size * part / 100)) "$scratch/many.arrows" > "$scratch/cut.arrows"
	status "a stream cut at $part % is refused" 65 wordpiece --vocab "$vocab" "$scratch/cut.arrows"
done
status 'a full disk is an error' 73 bash -c "wordpiece --vocab $vocab $scratch/many.arrows > /dev/full"

# Bytes that are not UTF-8, put into a stream that carries no checksum.
if [ -n "$python" ]; then
	"$python" - "$scratch" <<'END'
import sys
import pyarrow as pa
raw = pa.array([b"gre\xffat film \xe2\x82", b"good", b"\xf0\x90\x80[MASK]", None])
text = pa.Array.from_buffers(pa.utf8(), 4, raw.buffers(), raw.null_count)
wide = raw.cast(pa.large_binary())
large = pa.Array.from_buffers(pa.large_utf8(), 4, wide.buffers(), wide.null_count)
for name, column in ("utf8", text), ("large", large):
    schema = pa.schema([pa.field("more", pa.int32()), pa.field("text", column.type)])
    with pa.ipc.new_stream(f"{sys.argv[1]}/{name}.arrows", schema) as out:
        out.write_batch(pa.record_batch([pa.array([1, 2, 3, 4], pa.int32()), column], schema=schema))
END
	for name in utf8 large; do
		status "$name: bytes that are not UTF-8 are read as U+FFFD" 0 \
			bash -c "wordpiece --vocab $vocab $scratch/$name.arrows | rec-dump | tr -d ' '"
		is "$name: which cleaning takes out; null is empty, and more columns pass" "$out_text" \
			'{"input_ids":[2,221,219,3],"word_ids":[null,0,1,null],"more":1}
{"input_ids":[2,252,3],"word_ids":[null,0,null],"more":2}
{"input_ids":[2,4,3],"word_ids":[null,0,null],"more":3}
{"input_ids":[2,3],"word_ids":[null,null],"more":4}'
		is "$name: they are counted in one line" "$(grep -v 'upper-case' <<< "$err_text")" \
			"wordpiece: $scratch/$name.arrows: 3 invalid UTF-8 sequences in 2 documents, each read as U+FFFD"
	done
else
	skip 'bytes that are not UTF-8' 'no Python with pyarrow'
fi

# The reference writes a model_max_length without bound as an integer past 64 bits.
mkdir "$scratch/unbounded"
cp "$fixtures/text/vocab.txt" "$scratch/unbounded"
echo '{"do_lower_case": true, "model_max_length": 1000000000000000019884624838656}' > "$scratch/unbounded/tokenizer_config.json"
echo '{"text": "a"}' | rec-load > "$scratch/one.arrows"
status 'a model_max_length past every integer is read' 0 wordpiece --model "$scratch/unbounded" "$scratch/one.arrows"

# What stands in place of a tokenizer's file is named, wherever it stands.
for file in vocab.txt tokenizer.json tokenizer_config.json; do
	cp -r "$scratch/unbounded" "$scratch/pointer"
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 231508\n' > "$scratch/pointer/$file"
	status "a git-lfs pointer for $file" 65 wordpiece --model "$scratch/pointer" "$scratch/one.arrows"
	like 'is said to be one' "$err_text" "pointer/$file: is a git-lfs pointer"
	rm -r "$scratch/pointer"
done

finish
