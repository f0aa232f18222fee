#!/bin/bash
# models.t: model folders against transformers, which reads what cloze writes, and writes what cloze reads.
. "$(dirname "$0")/../tap.sh"

if [ -z "$torch" ]; then
	skip 'model folders agree with transformers' 'no Python with PyTorch and transformers'
	finish
fi
"$torch" "$top/tests/conformance/models.py" "$scratch" # prints its own plan
