#!/bin/bash
# hardening.t: every tool as it was built guards its stack, checks the C library's calls, and has no address that is fixed
# or writable for longer than it must be.
. "$(dirname "$0")/../tap.sh"

bin=${CLOZE_BIN:-$top/bin}
library=${CLOZE_BUILD:-$top/build}/libcloze.a
if ! command -v readelf nm > /dev/null || [ ! -e "$library" ]; then
	skip 'hardening' 'no readelf and nm, or no libcloze.a'
	finish
fi
sanitized=$(nm "$library" 2> /dev/null | grep -c ' U __asan_init')

for tool in "$top"/tools/*.c; do
	tool=$(basename "$tool" .c)
	header=$(readelf -hW "$bin/$tool")
	segments=$(readelf -lW "$bin/$tool")
	dynamic=$(readelf -dW "$bin/$tool")
	like "$tool is a position-independent executable" "$header" 'Type: +DYN'
	like "$tool has what the linker resolves read-only" "$segments" 'GNU_RELRO'
	like "$tool has all of it resolved at its start" "$dynamic" 'FLAGS_1.* NOW'
	is "$tool has no executable stack" "$(grep -c 'GNU_STACK.*RWE' <<< "$segments")" 0
	like "$tool guards its stack" "$(nm -D "$bin/$tool")" '__stack_chk_(fail|guard)'
	if [ "$sanitized" = 0 ]; then
		like "$tool has the C library's calls checked" "$(nm -D "$bin/$tool")" '__[a-z]+_chk'
	else
		skip "$tool has the C library's calls checked" 'a build with sanitizers, which check by their own means'
	fi
done

if [ "$sanitized" = 0 ]; then
	like 'sizes that are known only as the program runs are checked too' \
		"$(cd "$top" && make --no-print-directory -n -B all 2> /dev/null | grep -m 1 common/base/memory.c)" \
		'-D_FORTIFY_SOURCE=3'
fi

# marked FEATURES: each object of the library has the note that says where jumps may land
marked() {
	is 'every object marks where jumps may land' "$(readelf -nW "$library" 2> /dev/null | grep -c "$1")" \
		"$(ar t "$library" | wc -l)"
}
case $(readelf -hW "$bin/$tool" | sed -n 's/.*Machine: *//p') in
*X86-64) marked 'x86 feature: IBT, SHSTK' ;;
*AArch64) marked 'AArch64 feature: BTI, PAC' ;;
*) skip 'every object marks where jumps may land' 'no such marks on this processor' ;;
esac

finish
