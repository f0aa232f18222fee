#!/bin/bash
# models.t: model folders against transformers, which reads what cloze writes, and writes what cloze reads.
. "$(dirname "$0")/../tap.sh"

if [ -z "$python" ]; then
	skip 'model folders agree with transformers' 'no python with transformers and pyarrow'
	finish
fi
"$python" "$top/tests/conformance/models.py" "$scratch" # prints its own plan
