#!/bin/bash
# build.t: the same sources make the same bytes in any folder, a path with spaces among them; what is installed is whole, and
# goes again; the shells complete the options that --help lists; an archive of the sources has the same bytes each time.
. "$(dirname "$0")/../tap.sh"

cd "$top" || exit 1
# Whoever runs the tests may be make itself: its flags say which build is tested.
installed=$scratch/'with spaces'
make_quietly() { make --no-print-directory "$@" 2>&1 | grep -v -e jobserver -e '^  [a-z]'; }
is 'make install' "$(make_quietly install DESTDIR="$installed" PREFIX=/usr)" ''
files() { (cd "$installed" && find . -type f) | sort; }
for tool in tools/*.c; do
	tool=$(basename "$tool" .c)
	echo "./usr/bin/$tool"
	echo "./usr/share/bash-completion/completions/$tool"
	echo "./usr/share/zsh/site-functions/_$tool"
done > "$scratch/expected"
for page in man/*.[157]; do
	echo "./usr/share/man/man${page##*.}/$(basename "$page")"
done >> "$scratch/expected"
for file in pipelines/*.mk pipelines/fetch pipelines/fetch-model pipelines/model-card pipelines/push-model \
	pipelines/shard pipelines/shards.sbatch; do
	echo "./usr/share/cloze/$(basename "$file")"
done >> "$scratch/expected"
echo ./usr/bin/run-report >> "$scratch/expected"
is 'installs tools, pages, completions and make fragments' "$(files)" "$(sort "$scratch/expected")"
status 'an installed tool runs' 0 "$installed/usr/bin/rec-load" --version

# complete_words WORD...: what bash offers for the last of the words
complete_words() {
	bash -c '
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		"_cloze_${1//-/_}"
		printf "%s\n" "${COMPREPLY[@]}"' "$installed/usr/share/bash-completion/completions/$1" "$@"
}
for tool in tools/*.c; do
	tool=$(basename "$tool" .c)
	is "bash completes the options of $tool" "$(complete_words "$tool" -- | sort)" \
		"$("$tool" --help | grep -oE '^  --[a-z0-9-]+' | tr -d ' ' | sort)"
done
mkdir -p "$scratch/there/a folder"
touch "$scratch/there/a file"
is 'bash completes words' "$(complete_words train-step --dtype b)" 'bf16'
is 'bash completes words after =' "$(complete_words train-step --dtype = b)" 'bf16'
is 'bash completes folders' "$(complete_words train-step --model "$scratch/there/a")" "$scratch/there/a folder"
is 'bash completes files' "$(complete_words train-step "$scratch/there/a" | sort)" "$scratch/there/a file
$scratch/there/a folder"
is 'bash offers nothing for a number' "$(complete_words train-step --lr '')" ''
if command -v zsh > /dev/null; then
	for file in "$installed"/usr/share/zsh/site-functions/*; do
		ok "zsh can read $(basename "$file")" zsh -n "$file"
	done
else
	skip 'zsh can read the completions' 'no zsh'
fi

# typed SHELL TEXT EXPECTED: the line of a shell on a terminal (by tmux) after the text and the tab key. Waits at most ten
# seconds for the expected one.
typed() {
	local socket=$scratch/tmux-$count line='' tries=0 share=$scratch/installed/usr/share setup
	case $1 in
	bash) setup=". $share/bash-completion/completions/${2%% *}" ;;
	zsh) setup="fpath=($share/zsh/site-functions \$fpath); autoload -U compinit; compinit -D -u" ;;
	esac
	tmux -S "$socket" -f /dev/null new-session -d -x 200 -y 10 "env -i TERM=screen PATH='$PATH' $1 $([ "$1" = zsh ] && echo -f || echo --norc)"
	tmux -S "$socket" send-keys -l "PS1='> '; $setup"
	tmux -S "$socket" send-keys Enter
	tmux -S "$socket" send-keys -l "$2"
	tmux -S "$socket" send-keys Tab
	while [ $tries -lt 100 ] && [ "$line" != "> $3" ]; do
		sleep 0.1
		line=$(tmux -S "$socket" capture-pane -p | grep . | tail -n 1 | sed 's/ *$//')
		tries=$((tries + 1))
	done
	tmux -S "$socket" kill-server
	printf '%s\n' "$line"
}
ln -s "$installed" "$scratch/installed"
for shell in bash zsh; do
	if ! command -v tmux > /dev/null || ! command -v $shell > /dev/null; then
		skip "a line typed in $shell" "no tmux or no $shell"
		continue
	fi
	assign=$([ $shell = bash ] || echo =)
	is "$shell completes a word that is typed" "$(typed $shell 'train-step --dtype b' 'train-step --dtype bf16')" \
		'> train-step --dtype bf16'
	is "$shell completes an option that is typed" \
		"$(typed $shell 'wordpiece --max' "wordpiece --max-length$assign")" "> wordpiece --max-length$assign"
	is "$shell completes a folder that is typed" "$(typed $shell "fill-mask --model $scratch/installed/us" \
		"fill-mask --model $scratch/installed/usr/")" "> fill-mask --model $scratch/installed/usr/"
done

is 'make uninstall' "$(make_quietly uninstall DESTDIR="$installed" PREFIX=/usr)" ''
is 'leaves no file' "$(files)" ''

# Without optimization, which takes longer than anything else here, and all else as it is tested (make check SANITIZE=1).
build_in() { # FOLDER
	mkdir -p "$1"
	cp -r Makefile common tools pipelines man "$1"
	env -u MAKEFLAGS -u MAKELEVEL make -j 2 -C "$1" BUILD=build BIN=bin CFLAGS='-O0 -g' all > "$scratch/made" 2>&1 || cat "$scratch/made"
	(cd "$1/bin" && sha256sum -- *)
}
build_in "$scratch/one" > "$scratch/one.sums"
build_in "$scratch/two with a longer name" > "$scratch/two.sums"
is 'every tool is built' "$(wc -l < "$scratch/one.sums")" "$(find tools -name '*.c' | wc -l)"
is 'the same bytes in any folder' "$(cat "$scratch/two.sums")" "$(cat "$scratch/one.sums")"

if git rev-parse HEAD > /dev/null 2>&1; then
	git clone -q . "$scratch/clone"
	cd "$scratch/clone" || exit 1
	ok 'make dist' make dist
	first=$(sha256sum build/cloze-*.tar.gz)
	touch Makefile
	make_quietly dist > /dev/null
	is 'make dist makes the same bytes twice' "$(sha256sum build/cloze-*.tar.gz)" "$first"
	is 'of all that is committed' "$(tar -tzf build/cloze-*.tar.gz | grep -v '/$' | sed 's,^[^/]*/,,' | sort)" \
		"$(git ls-files | sort)"
	is 'and leaves git status clean' "$(git status --porcelain)" ''
else
	skip 'make dist' 'no git, or no checkout'
fi

finish
