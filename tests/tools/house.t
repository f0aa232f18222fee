#!/bin/bash
# house.t: the files of common/ and tools/ follow the two laws of CONTRIBUTING.md.
. "$(dirname "$0")/../tap.sh"
cd "$top" || exit 1

# The rooms that a room may include, beside itself.
allowed() {
	case $1 in
	base) ;;
	record | corpus | text | math) echo base ;;
	mask) echo math text base ;;
	model) echo math base ;;
	train) echo model record text math base ;;
	cli) echo record base ;;
	esac
}

for room in common/*/; do
	room=$(basename "$room")
	wrong=$(grep -nE '^#include "' common/"$room"/*.[ch] | while IFS= read -r line; do
		included=${line#*\"}
		included=${included%%/*}
		[[ " $room $(allowed "$room") " == *" $included "* ]] || echo "$line"
	done)
	is "$room/ includes only what is below it" "$wrong" ''
done
is 'no tool includes another one' "$(grep -nE '^#include "' tools/*.c |
	grep -vE '"(base|record|corpus|text|math|mask|model|train|cli)/')" ''
# The exception: memory that cannot be had (base/memory.c).
is 'only cli/ and tools/ print or end a program' \
	"$(grep -nwE '(printf|fprintf|puts|fputs|putchar|perror|exit|_exit|abort)' common/*/*.c |
		grep -vE '^common/(cli/|base/memory\.c:)|__attribute__|:[[:space:]]*(/?\*)|/\*.*(exit|abort)')" ''
finish
