#!/bin/bash
# streams.t: no reader takes the output of a stage for whole that was killed or ran out of disk space before any write.
. "$(dirname "$0")/../tap.sh"
faults=${CLOZE_BUILD:-$top/build}/tests/fault/faults.so
cd "$scratch" || exit

if ! LD_PRELOAD=$faults true 2> /dev/null || [ -n "$(ldd "$(command -v rec-dump)" | grep asan)" ]; then
	skip 'stages that die' 'no library to preload, or a sanitizer that must come first'
	finish
fi

mkdir model left
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} > model/vocab.txt
seq 2500 | sed 's/.*/{"text": "a b c d", "label": 0, "name": "&"}/' | rec-load --type text > text.arrows
wordpiece --model model < text.arrows > tokens.arrows
group-texts --chunk-size 4 < tokens.arrows > chunks.arrows

while read -r tool arguments; do
	input=${arguments##* }
	for kind in kill between full error; do
		whole=0
		for ((at = 1; at < 100; at++)); do
			left=left/$tool-$kind-$at.arrows
			# shellcheck disable=SC2086
			LD_PRELOAD=$faults FAULT_PATH=left FAULT_KIND=$kind FAULT_AT=$at "$tool" ${arguments% *} < "$input" \
				> "$left" 2> /dev/null && break
			rec-dump "$left" > /dev/null 2> err && whole=$((whole + 1))
			grep -qE "^rec-dump: $left: .*(cut short|empty|failed after)" err || whole=$((whole + 1))
		done
		rm "$left" # the one without a fault
		ok "$tool, $kind: faults happened" test "$at" -gt 6
		is "$tool, $kind: no reader takes what is left for whole" "$whole" 0
	done
done <<'END'
wordpiece --model model text.arrows
group-texts --chunk-size 4 tokens.arrows
wwm-mask --seed 1 chunks.arrows
shuffle-records --epochs 2 chunks.arrows
END

cat > foreign.py <<'END'
import glob, io, polars, pyarrow
taken = []
for path in sorted(glob.glob("left/*.arrows")):
    left = open(path, "rb").read()
    for name, read in ("pyarrow", lambda: pyarrow.ipc.open_stream(left).read_all()), \
            ("polars", lambda: polars.read_ipc_stream(io.BytesIO(left))):
        try:
            read()
            taken.append(f"{name} {path}")
        except Exception:
            pass
print(" ".join(taken))
END
if [ -n "$python" ]; then
	is 'nor do pyarrow and polars' "$("$python" foreign.py)" ''
else
	skip 'nor do pyarrow and polars' 'no Python with pyarrow and polars'
fi
finish
