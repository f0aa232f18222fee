#!/bin/bash
# train-step-resume.t: checkpoints: whatever stops a run, --resume ends with the model of a run that was never stopped.
. "$(dirname "$0")/../tap.sh"
set -o pipefail

model=$fixtures/train/distilbert
for epoch in 1 2; do sed "s/}\$/, \"epoch\": $epoch}/" "$model/train.jsonl"; done > "$scratch/train.jsonl"
rec-load --type masked "$scratch/train.jsonl" > "$scratch/train.arrows"
rec-load --type masked "$model/eval.jsonl" > "$scratch/eval.arrows"
options=(--model "$model" --batch-size 2 --gradient-accumulation-steps 2 --lr 1e-3 --warmup-steps 3 --dropout 0.2)

# Runs are begun in the scratch folder, so that no path in a lineage differs.
cd "$scratch" || exit 1
train() { # FOLDER OPTION...
	local out=$1
	shift
	train-step "${options[@]}" --out "$out" "$@"
}

# A run that is never stopped: 16 steps, 8 an epoch, of which the last is short.
saving=(--save-steps 4 --eval eval.arrows)
train whole "${saving[@]}" train.arrows > whole.jsonl
whole=$(weights whole)
is 'a checkpoint every --save-steps' "$(cd whole && echo checkpoint-*)" 'checkpoint-12 checkpoint-16 checkpoint-4 checkpoint-8'
is 'an evaluation before each, and after each epoch' "$(grep eval_loss whole.jsonl | jq .step | xargs)" '4 8 12 16'
ok 'a checkpoint is a model' perplexity --model whole/checkpoint-8 eval.arrows
train plain --save-steps 0 train.arrows > plain.jsonl
is 'checkpoints change nothing' "$(weights plain)" "$whole"
is 'none with --save-steps 0' "$(find plain -name 'checkpoint-*')" ''
train limited --save-steps 2 --save-total-limit 2 train.arrows > /dev/null
is '--save-total-limit keeps the newest' "$(cd limited && echo checkpoint-*)" 'checkpoint-14 checkpoint-16'

# An input that is cut: a checkpoint, 65, and no model.
cut() { head -c "$(($(wc -c < train.arrows) - 8))" train.arrows; }
cut > cut.arrows
status 'a cut input is 65' 65 train cut "${saving[@]}" --max-steps 16 cut.arrows
is 'it leaves a checkpoint of the last whole step' "$(cd cut && echo *)" 'checkpoint-12 checkpoint-15 checkpoint-4 checkpoint-8'
printf '%s\n' "$out_text" > part.jsonl
# --max-steps is part of what a run is.
status 'another --max-steps is refused' 64 train cut --resume "${saving[@]}" train.arrows
like 'and named' "$err_text" '--max-steps: the run in cut used 16 '
status '--resume goes on, from a pipe as well' 0 train cut --resume --max-steps 16 "${saving[@]}" < <(cat train.arrows)
is 'and ends bit-identical' "$(weights cut)" "$whole"
is 'the lines of metrics go on where they ended' "$(metrics part.jsonl - <<< "$out_text")" "$(metrics whole.jsonl)"
is 'the log is whole' "$(jq -c .log_history cut/trainer_state.json)" "$(jq -c .log_history whole/trainer_state.json)"

# Metrics that nobody reads any more, or that cannot be written: the step is saved.
train lost --save-steps 0 train.arrows 2> err | head -n 3 > part.jsonl
is 'closed metrics end a run with 141' "${PIPESTATUS[0]}" 141
# head may end some steps later than the third.
is 'after a step that is saved, which is told' "$(cat err)" \
	"train-step: stopped after step $(find lost -name 'checkpoint-*' | grep -o '[0-9]*$') (--resume goes on from there)"
status 'the run goes on' 0 train lost --save-steps 0 --resume train.arrows
is 'and ends bit-identical' "$(weights lost)" "$whole"
is 'its log has every line once' "$(jq -c .log_history lost/trainer_state.json)" "$(jq -c .log_history plain/trainer_state.json)"
is 'and no checkpoint of the stop' "$(find lost -name 'checkpoint-*')" ''
status 'metrics to a full disk end a run with 73' 73 bash -c "train-step ${options[*]} --out full --save-steps 0 train.arrows > /dev/full"
is 'after a step that is saved' "$(cd full && echo checkpoint-*)" checkpoint-1

# Resuming.
begin() { # FOLDER: a run that has ended after step 8
	rm -rf "$1"
	mkdir "$1"
	cp -r whole/checkpoint-4 whole/checkpoint-8 "$1"
}
status '--resume begins where there is nothing' 0 train fresh --resume "${saving[@]}" train.arrows
is 'and ends as any run' "$(weights fresh)" "$whole"
before=$(find whole -printf '%p %T@\n' | sort | cksum)
status '--resume of a complete run does nothing' 0 train whole --resume "${saving[@]}" train.arrows
is 'not a line' "$out_text" ''
is 'not a file' "$(find whole -printf '%p %T@\n' | sort | cksum)" "$before"
mkdir moved
begin moved/there
mv moved elsewhere
status 'a folder that was moved goes on' 0 train elsewhere/there --resume "${saving[@]}" --threads 3 train.arrows
is 'and ends bit-identical on other threads' "$(weights elsewhere/there)" "$whole"
like 'the evaluation is run again beside the saved one' "$err_text" \
	"step 8: eval_loss is $(printf %.12g "$(jq -r 'select(.eval_loss and .step == 8).eval_loss' whole.jsonl)"), saved was "

# unfinished PATH: the name that it is made under; gzip ends with the CRC-32 of what it packs, and the length
unfinished() { echo "$1.unfinished-$(printf %s "${1##*/}" | gzip -c | tail -c 8 | od -An -tx4 -N4 | tr -d ' ')"; }
begin torn
head -c 1000 whole/checkpoint-8/optimizer.safetensors > torn/checkpoint-8/optimizer.safetensors
mkdir "$(unfinished torn/checkpoint-12)" "$(unfinished torn)" torn/checkpoint-12.backup torn/notes.unfinished-a1b2c3d4
status 'a damaged checkpoint is passed over' 0 train torn --resume "${saving[@]}" train.arrows
like 'by name' "$err_text" 'passing over torn/checkpoint-8: .*optimizer.safetensors: is damaged'
is 'the one before it serves' "$(weights torn)" "$whole"
is 'what was left unfinished is gone, and nothing else' "$(echo torn.* torn/*.*)" \
	'torn.* torn/checkpoint-12.backup torn/config.json torn/model.safetensors torn/notes.unfinished-a1b2c3d4 torn/tokenizer.json torn/tokenizer_config.json torn/trainer_state.json'
begin torn
sed -i 's/"global_step": 8/"global_step": 9/' torn/checkpoint-8/trainer_state.json
status 'a changed state is passed over' 0 train torn --resume "${saving[@]}" train.arrows
like 'by name' "$err_text" 'passing over torn/checkpoint-8: .*crc32'
is 'the one before it serves' "$(weights torn)" "$whole"
begin torn
for step in 4 8; do printf '{}' > torn/checkpoint-$step/trainer_state.json; done
status 'only damaged ones are 65' 65 train torn --resume "${saving[@]}" train.arrows
cp -r whole torn.model
printf x | dd of=torn.model/model.safetensors bs=1 seek=9000 conv=notrunc status=none
status 'a complete run that was damaged is 65' 65 train torn.model --resume "${saving[@]}" train.arrows
like 'and says what' "$err_text" 'torn.model/model.safetensors: is damaged'
exec 9< torn
flock 9
status 'two runs at once are 73' 73 train torn --resume "${saving[@]}" train.arrows
# The process that took this lock has ended, so that a process namespace of its own, as in a container, does not know it.
like 'and say so' "$err_text" 'torn: (process [0-9]+|another process) is writing it'
exec 9<&-

refuses() { # NAME STATUS WORDS OPTION...
	local name=$1 expected=$2 words=$3
	shift 3
	begin refused
	status "$name is refused" "$expected" train refused --resume "$@"
	like "and $name named" "$err_text" "$words"
	is "$name: the checkpoints stay" "$(cd refused && echo *)" 'checkpoint-4 checkpoint-8'
}
sed '3s/\[5, /[6, /; 3s/\[[0-9]*, /[7, /' train.jsonl | rec-load --type masked > other.arrows
refuses 'another input' 65 'other.arrows: not the input that the run in refused was made from' "${saving[@]}" other.arrows
head -n 20 train.jsonl | rec-load --type masked > short.arrows
refuses 'a shorter input' 65 'makes 5 steps' "${saving[@]}" short.arrows
refuses 'another learning rate' 64 '--lr: the run in refused used 0.001' "${saving[@]}" --lr 2e-3 train.arrows
refuses 'another seed' 64 '--seed: the run in refused used 42' "${saving[@]}" --seed 1 train.arrows
refuses 'another schedule, told by its word' 64 '--lr-scheduler-type: the run in refused used "linear"' "${saving[@]}" --lr-scheduler-type cosine train.arrows
rec-load --type masked "$model/train.jsonl" > held.arrows
refuses 'another evaluation' 65 'does not evaluate as it did' --save-steps 4 --eval held.arrows train.arrows
refuses 'another model' 65 'another --model' --model "$fixtures/train/bert" "${saving[@]}" train.arrows
# Groups that thaw one after the other: a run that is resumed between two thaws.
for every in 3 epoch; do
	thawing=(--save-steps 4 --layer-lr-decay 2.6 --unfreeze-every "$every" train.arrows)
	train thawed "${thawing[@]}" > /dev/null
	mkdir cold
	cp -r thawed/checkpoint-4 cold
	status "a run that thaws every $every goes on" 0 train cold --resume "${thawing[@]}"
	is 'and ends bit-identical' "$(weights cold)" "$(weights thawed)"
	rm -r cold thawed
done
status 'another plan is refused' 64 train whole --resume --unfreeze-every 3 "${saving[@]}" train.arrows

# What the numbers depend on is not the options alone.
cp -r "$model" edited
sed -i 's/"activation": "[a-z]*"/"activation": "relu"/' edited/config.json
refuses 'an edited configuration' 65 'refused/checkpoint-8/config.json: another hidden_act than the model has' --model edited \
	"${saving[@]}" train.arrows
status 'of a complete run too' 65 train whole --resume --model edited "${saving[@]}" train.arrows

# A best checkpoint that is gone: the run still makes a model, the best from there on.
best=(--save-steps 4 --eval eval.arrows --load-best-model-at-end --lr 0.1 --warmup-steps 0 --lr-scheduler-type constant)
status 'a run whose evaluations get worse' 65 train gone "${best[@]}" --max-steps 16 cut.arrows
step=$(jq .best_global_step gone/checkpoint-15/trainer_state.json)
is 'its best is not the last' "$((step < 15))" 1
rm -r "gone/checkpoint-$step"
status 'a best checkpoint that is gone' 0 train gone "${best[@]}" --max-steps 16 --resume train.arrows
like 'is told of' "$err_text" "the best evaluation so far, of step $step, is forgotten: gone/checkpoint-$step/"
is 'the best since is written' "$(jq .best_global_step gone/trainer_state.json)" 16

# --out that cannot be written is found before the first step.
mkdir sealed
chmod 555 sealed
user=()
[ "$(id -u)" != 0 ] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod o+rx "$scratch"
if "${user[@]}" train-step --version > /dev/null 2>&1; then
	status 'a folder that cannot be written to' 73 "${user[@]}" "$(command -v train-step)" "${options[@]}" --out sealed --resume train.arrows
	is 'takes no step' "$out_text" ''
else
	skip 'a folder that cannot be written to' 'no other user can run the tools'
fi

mkdir strange
touch strange/notes
status 'a folder of something else is refused' 73 train strange --resume train.arrows
status '--force with --resume is 64' 64 train whole --force --resume train.arrows
status 'without either, 73' 73 train whole train.arrows

# Signals: a run long enough to be stopped in.
for _ in $(seq 150); do cat train.jsonl; done | sed 's/, "epoch": [12]//' | rec-load --type masked > long.arrows
train long --save-steps 0 --threads 1 long.arrows > long.jsonl
send() { # SIGNAL FOLDER: begins a run, sends the signal after the third line; its status is in $got
	mkfifo lines
	env --default-signal=INT,HUP train-step "${options[@]}" --out "$2" --save-steps 0 --threads 1 long.arrows > lines 2> err &
	exec 4< lines
	for _ in 1 2 3; do read -r line <&4; done
	kill "-$1" $!
	cat <&4 > rest
	exec 4<&-
	got=0
	wait $! || got=$?
	rm lines
}
for pair in TERM:143 INT:130 HUP:129; do
	send "${pair%:*}" "${pair%:*}"
	is "SIG${pair%:*} ends with ${pair#*:}" "$got" "${pair#*:}"
	is 'having saved one checkpoint and no model' "$(find "${pair%:*}" -maxdepth 1 -name '[cm]*' | wc -l)" 1
	like 'and says where' "$(cat err)" 'stopped after step [0-9]+ '
	train "${pair%:*}" --save-steps 0 --threads 1 --resume long.arrows > rest
	is '--resume ends bit-identical' "$(weights "${pair%:*}")" "$(weights long)"
done

# Opens the pipe `input` as 5, when $process has opened it to read. Where the process ends before, a guard opens it in its
# place, so that nothing waits for ever. (Of the other signals, a shell that has not forgotten its parent's trap yet would
# remove the scratch folder.)
open_input() {
	local guard
	{ tail --pid="$process" -f /dev/null; : <> input; } 4<&- &
	guard=$!
	exec 5> input
	disown $guard
	kill -KILL $guard
}

# A signal while the input makes it wait.
mkfifo lines input
env --default-signal=TERM train-step "${options[@]}" --out waiting --max-steps 16 input > lines 2> err &
process=$!
exec 4< lines
open_input
cat cut.arrows >&5
for _ in $(seq 15); do read -r line <&4; done
sleep 0.3
kill -TERM $process
wait $process
is 'a signal ends a wait for input' "$?" 143
is 'with a checkpoint' "$(cd waiting && echo *)" 'checkpoint-15'
exec 4<&- 5>&-

# The folder is taken from the start, before there is one, and by a run that is to replace it.
for taken in begun whole; do
	force=()
	[ $taken = begun ] || force=(--force)
	train-step "${options[@]}" --out "$taken" "${force[@]}" --max-steps 16 input > lines 2> err &
	process=$!
	exec 4< lines
	open_input
	status "a second run in $taken is refused" 73 train "$taken" --resume train.arrows
	like "$taken: and told which is the first" "$err_text" "$taken: process $process is writing it"
	status "$taken: with --force too" 73 train "$taken" --force train.arrows
	cat train.arrows >&5
	exec 5>&-
	cat <&4 > rest
	wait $process
	is "$taken: the first ends as any run" "$? $(weights "$taken")" "0 $(weights plain)"
	exec 4<&-
done

# A request to save while the input makes it wait is served, and the wait goes on.
train-step "${options[@]}" --save-steps 0 --out waiting2 --max-steps 16 input > lines 2> err &
process=$!
exec 4< lines
open_input
kill -USR1 $process # before the first step: remembered
cat cut.arrows >&5
for _ in $(seq 15); do read -r line <&4; done
kill -USR1 $process
for _ in $(seq 400); do ! [ -d waiting2/checkpoint-15 ] || break; sleep 0.05; done
tail -c 8 train.arrows >&5
exec 5>&-
cat <&4 > rest
wait $process
is 'a save in a wait for input is served, and the run goes on' "$? $(cd waiting2 && echo *-15) $(weights waiting2)" \
	"0 checkpoint-15 $whole"
exec 4<&-

# oneDNN does not survive a handler of signals on its stack: hundreds of signals, and the run ends as if there were none.
for pair in TERM:143 HUP:129; do
	name=poked${pair%:*}
	env --default-signal=HUP train-step "${options[@]}" --out "$name" --save-steps 0 --save-total-limit 1 --threads 2 \
		long.arrows > lines 2> err &
	process=$!
	pokes=0
	exec 4< lines
	read -r line <&4
	cat <&4 > rest &
	reader=$!
	while [ $pokes -lt 300 ] && kill -USR1 $process; do
		pokes=$((pokes + 1))
		sleep 0.004
	done
	kill "-${pair%:*}" $process
	got=0
	wait $process || got=$?
	exec 4<&-
	wait $reader
	is "$name: $pokes requests to save, then a stop" "$got" "${pair#*:}"
	ok "$name: --resume" train "$name" --save-steps 0 --save-total-limit 1 --threads 2 --resume long.arrows
	is "$name: it ends bit-identical" "$(weights "$name")" "$(weights long)"
done
rm lines

send USR1 USR1
is 'SIGUSR1 saves and goes on' "$got $(find USR1 -maxdepth 1 -name 'checkpoint-*' | wc -l)" '0 1'
is 'to the same end' "$(weights USR1)" "$(weights long)"

if [ -n "$torch" ]; then
	ok 'the reference reads trainer_state.json' "$torch" -c '
import sys
from transformers.trainer_callback import TrainerState
state = TrainerState.load_from_json(sys.argv[1])
assert state.global_step == 16 and state.max_steps == 16 and len(state.log_history) == 20, state
assert state.log_history[-1]["eval_loss"] >= state.best_metric' cut/trainer_state.json
	if "$torch" -c 'import accelerate' 2> /dev/null; then
		ok 'the reference resumes from a checkpoint' "$torch" "$top/tests/conformance/resume.py" cut/checkpoint-8 train.jsonl
	else
		skip 'the reference resumes from a checkpoint' 'no accelerate, which the Trainer needs'
	fi
else
	skip 'the reference resumes from a checkpoint' 'no Python with PyTorch and transformers'
	skip 'the reference reads trainer_state.json' 'no Python with PyTorch and transformers'
fi
finish
