# tap.sh: tests of whole programs, reported in the Test Anything Protocol. A test file sources it:
#
#     . tests/tap.sh
#     is "adds up" "$(expr 1 + 1)" 2
#     status "refuses nonsense" 64 imdb-read --nonsense
#     finish
#
# It finds the tools on PATH, and sets
#   fixtures   the committed inputs
#   scratch    a folder of its own, removed at the end
#   shared     ../shared, where it is; empty otherwise: skip what needs it
#   python     a Python with the reference's libraries, as `make check REFERENCE=1` makes it; empty otherwise
#   torch      the same Python, where it has PyTorch too; empty otherwise
# shellcheck shell=bash disable=SC2034

# A make that a test runs is not part of the one that runs the tests.
unset MAKEFLAGS MAKELEVEL MFLAGS

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# unspaced PATH NAME: the path, or where it has a space, one without that leads there. Commands that tests give to
# another shell, and LD_PRELOAD, take a space for the end of a name.
unspaced() {
	case $1 in
	*[[:space:]]*)
		ln -s "$1" "$scratch/.$2"
		echo "$scratch/.$2"
		;;
	*) echo "$1" ;;
	esac
}

top=$(unspaced "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)" top)
export CLOZE_BUILD
CLOZE_BUILD=$(unspaced "${CLOZE_BUILD:-$top/build}" build)
fixtures=$top/tests/fixtures
shared=$(cd -P "$top/../shared" 2> /dev/null && unspaced "$PWD" shared)
python=${CLOZE_PYTHON-}
torch=
[ -z "$python" ] || torch=$("$python" -c 'import importlib.util, sys
print(sys.executable if importlib.util.find_spec("torch") else "")')
PATH=${CLOZE_BIN:-$top/bin}:$PATH
# A tool that ends leaves its memory to the system; the unit tests look for leaks.
export ASAN_OPTIONS=${ASAN_OPTIONS-detect_leaks=0}
count=0
failed=0

report() { # RESULT NAME
	count=$((count + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	printf '%s %d - %s\n' "$1" "$count" "$2"
}

# is NAME GOT EXPECTED
is() {
	if [ "$2" = "$3" ]; then
		report ok "$1"
	else
		report 'not ok' "$1"
		printf 'got:      %s\nexpected: %s\n' "$2" "$3" | head -c 2000 | sed 's/^/# /'
	fi
}

# like NAME GOT REGULAR_EXPRESSION (grep -E)
like() {
	if grep -qE -- "$3" <<< "$2"; then
		report ok "$1"
	else
		report 'not ok' "$1"
		printf 'got:      %s\nexpected: %s\n' "$2" "$3" | head -c 2000 | sed 's/^/# /'
	fi
}

# ok NAME COMMAND...: the command exits 0
ok() {
	local name=$1 text
	shift
	if text=$("$@" 2>&1 < /dev/null); then
		report ok "$name"
	else
		report 'not ok' "$name"
		printf '%s\n' "exit status $? of: $*" "$text" | head -c 2000 | sed 's/^/# /'
	fi
}

# status NAME EXPECTED COMMAND...: the exit status; leaves out_text and err_text. Standard input is the caller's.
status() {
	local name=$1 expected=$2 got=0
	shift 2
	"$@" > "$scratch/.out" 2> "$scratch/.err" || got=$?
	out_text=$(tr -d '\0' < "$scratch/.out")
	err_text=$(cat "$scratch/.err")
	is "$name" "$got" "$expected"
	[ "$got" = "$expected" ] || sed 's/^/# /' "$scratch/.err"
}

# skip NAME REASON
skip() {
	count=$((count + 1))
	printf 'ok %d - %s # skip %s\n' "$count" "$1" "$2"
	echo "$2" >> "${CLOZE_SKIPPED:-/dev/null}"
}

finish() {
	echo "1..$count"
	exit $((failed > 0))
}
