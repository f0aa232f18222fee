#!/bin/bash
# tokens.t: wordpiece and wordpiece-train beside Hugging Face tokenizers.
. "$(dirname "$0")/../tap.sh"

if [ -z "$python" ]; then
	skip 'tokens agree with tokenizers' 'no Python with tokenizers and pyarrow'
	finish
fi
"$python" "$top/tests/conformance/tokens.py" "$fixtures" "$shared" "$scratch" # prints its own plan
