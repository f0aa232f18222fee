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

# ---- what several tests make, and look at --------------------------------------------------------------------------

# small_reviews FOLDER: 60 positive and 60 negative reviews to train on, as the IMDB archive has them below aclImdb
small_reviews() {
	local i
	mkdir -p "$1"/train/{pos,neg}
	for i in $(seq 60); do
		echo "A good film, number $i. Zoe liked the music, and so did I." > "$1/train/pos/${i}_9.txt"
		echo "A bad film, seen $((i / 2)) times, and once too often." > "$1/train/neg/${i}_2.txt"
	done
}

# small_bert REVIEWS FOLDER: a model of one layer with the vocabulary of the reviews, an archive or a folder. vocab.txt and
# config.json, of which its lineage tells, stay in the current folder.
small_bert() {
	imdb-read "$1" | wordpiece-train --vocab-size 200 > vocab.txt
	echo '{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
		"intermediate_size": 32, "max_position_embeddings": 32}' > config.json
	model-init --config config.json --vocab vocab.txt --seed 4 --out "$2"
}

# weights FOLDER: a checksum of a model's tensors, without the lineage beside them. Where there is no model it prints what
# is equal to nothing else, itself at another time included.
weights() {
	local file=$1/model.safetensors size
	if size=$(od -An -tu8 -N8 "$file" 2> /dev/null | grep -o '[0-9]*'); then
		tail -c +$((size + 9)) "$file" | cksum
	else
		echo "$file: not there ($BASHPID)"
	fi
}

# metrics FILE...: the lines that training printed, without the speed, which no two runs share
metrics() { sed 's/, "tokens_per_second.*//' "$@"; }

# serve PROGRAM ARGUMENT: starts a server, a Python program of tests/tools, until the test ends; sets address
serve() {
	export no_proxy=127.0.0.1
	python3 "$top/tests/tools/$1" "$2" "$scratch/.port" &
	# shellcheck disable=SC2064
	trap "kill $!; rm -rf '$scratch'" EXIT
	for _ in $(seq 300); do [ -e "$scratch/.port" ] && break; sleep 0.1; done
	address=http://127.0.0.1:$(cat "$scratch/.port")
}
