#!/bin/bash
# kernels.t: products and whole networks by each version of the kernels that the processor runs, as on a processor that has
# no better one.
. "$(dirname "$0")/../tap.sh"

unit=$CLOZE_BUILD/tests/unit
if [ ! -x "$unit/test_math_kernels" ]; then
	skip 'versions of the kernels' 'no unit tests (make tests)'
	finish
fi
for version in $("$unit/test_math_kernels" 2>&1 | sed -n 's/.*# version //p'); do
	case $version in
	portable | avx2) isa=AVX2 ;;
	avx512) isa=AVX512_CORE ;;
	avx512_bf16) isa=AVX512_CORE_BF16 ;;
	*) isa=DEFAULT ;;
	esac
	for test in test_math_matrix test_model_network; do
		status "$test by $version" 0 env CLOZE_KERNELS="$version" ONEDNN_MAX_CPU_ISA=$isa "$unit/$test"
	done
done
finish
