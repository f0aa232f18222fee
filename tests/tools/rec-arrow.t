#!/bin/bash
# rec-arrow.t: streams beside the libraries that others read and write them with.
. "$(dirname "$0")/../tap.sh"

mkdir "$scratch/model"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} > "$scratch/model/vocab.txt"
if [ -n "$python" ]; then
	ok 'pyarrow, polars and datasets read and write the same values' \
		"$python" "$top/tests/conformance/arrow.py" "$scratch"
else
	skip 'pyarrow, polars and datasets read and write the same values' 'no Python with pyarrow and polars'
fi
finish
