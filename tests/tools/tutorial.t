#!/bin/bash
# tutorial.t: the commands of docs/tutorial.md, run in their order, print what it shows. Blocks are marked by what follows
# ```console: nothing, for output that is the same everywhere; `numbers`, whose digits may differ with the processor; `any`,
# of which the lines are counted; `push`, which needs git-lfs.
. "$(dirname "$0")/../tap.sh"
PATH=$top/pipelines:$PATH
export HF_HOME=$scratch/.hf HOME=$scratch GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
mkdir "$scratch/here"
cd "$scratch/here" || exit

plain() { sed -E 's/[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?/N/g'; }

# try COMMAND EXPECTED KIND
try() {
	local got=0 output
	output=$(eval "$1" 2> "$scratch/.err") || got=$?
	case $3 in
	numbers) is "$1" "$(plain <<< "$output")" "$(plain <<< "$2")" ;;
	any) is "$1" "$(wc -l <<< "$output")" "$(wc -l <<< "$2")" ;;
	*) is "$1" "$output" "$2" ;;
	esac
	# 141: rec-dump --limit, or head, has seen enough
	[[ $got = 0 || $got = 141 ]] || report 'not ok' "$1: exit status $got: $(head -n 1 "$scratch/.err")"
}

kind=none command='' expected=''
flush() {
	[ -z "$command" ] || try "$command" "${expected%$'\n'}" "$kind"
	command='' expected=''
}
while IFS= read -r line; do
	case $line in
	'```console'*)
		kind=${line#'```console'}
		kind=${kind# }
		if [ "$kind" = push ] && ! git lfs version > /dev/null 2>&1; then
			skip 'publishing' 'no git-lfs'
			kind=none
		fi
		;;
	'```')
		flush
		kind=none
		;;
	'$ '*)
		[ "$kind" = none ] && continue
		flush
		command=${line#'$ '}
		;;
	'    '*) [ "$kind" = none ] || [ -n "$expected" ] || command+=$'\n'$line ;;
	*) [ "$kind" = none ] || expected+=$line$'\n' ;;
	esac
done < "$top/docs/tutorial.md"
ok 'there were commands' test "$count" -gt 25
before=$(perplexity --model base < eval.arrows | cut -d ' ' -f 2)
after=$(perplexity --model tuned < eval.arrows | cut -d ' ' -f 2)
ok 'the model has learned' awk -v before="$before" -v after="$after" 'BEGIN { exit !(after < before / 2) }'
finish
