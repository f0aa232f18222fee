#!/bin/bash
# push.t: a run's model as a folder for the hub, and its way into a repository, by git and git-lfs.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit
PATH=$top/pipelines:$PATH
export HOME=$scratch/home HF_HOME=$scratch/hf
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
unset HF_TOKEN HF_TOKEN_PATH
mkdir home hf

small_reviews aclImdb
tar -czf aclImdb.tar.gz aclImdb
mkdir -p run/downloads/owner
small_bert aclImdb.tar.gz run/downloads/owner/base
printf -- '---\nlicense: other\nlicense_name: odd\nlanguage:\n- en\n- de\ntags:\n- x\n---\n# Base\nlicense: no\n' \
	> run/downloads/owner/base/README.md
ln -s "$top/pipelines" fragments
make_imdb() { make --no-print-directory -f fragments/imdb.mk DATA=aclImdb.tar.gz MODEL=owner/base CHUNK_SIZE=16 TRAIN_SIZE=60 \
	TEST_SIZE=20 EPOCHS=2 BATCH_SIZE=16 KEEP_EPOCHS=yes "$@"; }

status 'make hub' 0 make_imdb hub
like 'says where the folder is' "$out_text" '^run/imdb/run-[0-9a-f]*/hub is ready'
is 'which holds what the hub takes' "$(cd run/imdb/latest/hub && ls -A | sort | xargs)" \
	'.gitattributes README.md config.json model.safetensors tokenizer_config.json vocab.txt'
card=$(cat run/imdb/latest/hub/README.md)
header=$(sed '2,/^---$/!d' <<< "$card")
is 'the licence and the language are those of the base' "$(head -n 5 <<< "$header")" \
	$'license: other\nlicense_name: odd\nlanguage:\n- en\n- de'
like 'the base model is named as the hub names it' "$header" '^base_model: "owner/base"$'
like 'and the data, too' "$header" '^- "stanfordnlp/imdb"$'
figure=$(awk '{ print $2 }' run/imdb/latest/after.txt)
is 'the figure is the measured one' "$(grep -A 1 'type: perplexity' <<< "$header" | tail -n 1)" "      value: $figure"
like 'beside the one before' "$card" "^\| perplexity \| $(cut -d ' ' -f 2 run/imdb/before-*.txt) \| $figure \|$"
is 'each epoch has a line' "$(grep -cE '^\| [0-9]+ \| [12] \| ' <<< "$card")" 2
sed -n '/^## How it was made/,/^## Use/s/^    //p' <<< "$card" > again.sh
bash again.sh again
ok 'the commands in it make the same model' model-info --diff run/imdb/latest/hub again
if [ -n "$python" ] && "$python" -c 'import huggingface_hub' 2> /dev/null; then
	is 'the hub can read the header' "$("$python" - run/imdb/latest/hub/README.md <<- 'END'
		import sys
		from huggingface_hub import ModelCard
		data = ModelCard.load(sys.argv[1]).data
		result = data.eval_results[0]
		print(data.license, data.language, data.base_model, data.datasets, data.pipeline_tag, result.task_type,
		      result.dataset_type, result.metric_type, result.metric_value)
	END
	)" "other ['en', 'de'] owner/base ['stanfordnlp/imdb'] fill-mask fill-mask stanfordnlp/imdb perplexity $figure"
else
	skip 'the hub can read the header' 'no Python with huggingface_hub'
fi
if [ -n "$torch" ]; then
	is 'pipeline() opens the folder' "$("$torch" -c '
import sys
from transformers import pipeline
print(len(pipeline("fill-mask", model=sys.argv[1])("A [MASK] film.")))' run/imdb/latest/hub 2> /dev/null)" 5
else
	skip 'pipeline() opens the folder' 'no Python with PyTorch and transformers'
fi
model-card run/downloads/owner/base > card
ok 'without a base there is no licence' bash -c '! grep -q ^license: card'
like 'and it says so' "$(cat card)" 'did not say: look there'

runs=$(ls run/imdb)
status 'a push without a repository' 2 make_imdb push LEARNING_RATE=1
like 'says what is missing' "$err_text" 'REPO=OWNER/NAME: the repository to push to is missing'
is 'before anything is trained' "$(ls run/imdb)" "$runs"
if ! git lfs version > /dev/null 2>&1 || ! command -v python3 > /dev/null; then
	skip 'pushing' 'no git-lfs or no python3'
	finish
fi

git init -q --bare -b main 'bare repository'
mkdir lfs
serve lfs.py lfs
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=lfs.url GIT_CONFIG_VALUE_0=$address/lfs
status 'make push' 0 make_imdb push REPO="$scratch/bare repository" PUSH_EPOCHS=yes
like 'says what it did' "$out_text" '^pushed to .*/bare repository: commits: 3$'
in_bare() { git -C 'bare repository' "$@"; }
is 'each epoch is a commit, and the end' "$(in_bare log --reverse --format=%s main | sed 's/[0-9]*$//' | xargs)" \
	'Model after step Model after step Fine-tuned model'
is 'with the files of a model' "$(in_bare ls-tree --name-only main | xargs)" \
	'.gitattributes README.md config.json model.safetensors tokenizer_config.json vocab.txt'
like 'the weights are a pointer' "$(in_bare show main:model.safetensors | head -n 1)" '^version https://git-lfs'
ok 'to what the server got' cmp run/imdb/latest/hub/model.safetensors \
	"lfs/$(sha256sum < run/imdb/latest/hub/model.safetensors | cut -d ' ' -f 1)"
status 'a second time' 0 make_imdb push REPO="$scratch/bare repository"
like 'there is nothing to push' "$out_text" 'has these files already$'

status 'a repository that is not there' 69 push-model "$scratch/none" run/imdb/latest/hub
like 'says what to do' "$err_text" 'cannot be cloned \(make the repository first, at .*/new; log in by'
status 'a push to it' 2 make_imdb push REPO="$scratch/none" LEARNING_RATE=1
like 'says so as well' "$err_text" 'cannot be cloned \(make the repository first'
is 'before anything is trained for it' "$(ls run/imdb)" "$runs"
status 'a name without an owner' 64 push-model name run/imdb/latest/hub
status 'what is no model folder' 66 push-model "$scratch/bare repository" lfs

# The token goes to the hub, here by git's own question for it, and nowhere into a file.
echo sesame > hf/token
export HF_ENDPOINT=$address
cat > git << END
#!/bin/bash
[ "\$1" = clone ] || exec $(command -v git) "\$@"
printf 'protocol=http\nhost=%s\n\n' "\${HF_ENDPOINT#http://}" | $(command -v git) credential fill > $scratch/asked
exit 1
END
chmod +x git
PATH=$scratch:$PATH status 'the hub asks who it is' 69 push-model owner/name run/imdb/latest/hub
like 'git has the token for it' "$(cat asked)" '^password=sesame$'
rm asked git
is 'which is stored nowhere else' "$(grep -rl sesame .)" './hf/token'
finish
