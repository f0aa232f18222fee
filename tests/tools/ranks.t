#!/bin/bash
# ranks.t: a run of several processes, which mpirun starts: the same model and metrics, and the same endings.
. "$(dirname "$0")/../tap.sh"
set -o pipefail

# Open MPI's guards against running as root, and as more processes than there are cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe

model=$fixtures/train/distilbert
cd "$scratch" || exit 1
for epoch in 1 2; do sed "s/}\$/, \"epoch\": $epoch}/" "$model/train.jsonl"; done > train.jsonl
rec-load --type masked train.jsonl > train.arrows
rec-load --type masked "$model/eval.jsonl" > eval.arrows
options=(--model "$model" --batch-size 1 --gradient-accumulation-steps 8 --lr 1e-3 --warmup-steps 3 --dropout 0.2)

# Started by a launcher whose processes MPI does not know, or without MPI in the build.
for launcher in 'OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0' 'SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0'; do
	status "a process that does not find the others is refused (${launcher%%=*})" 69 env ${launcher} \
		train-step "${options[@]}" --out alone train.arrows
	like 'in one line that says why' "$err_text" '^train-step: started as one of 2 processes, but [^[:cntrl:]]*\)$'
done
is 'and leaves nothing' "$(ls -d alone* .alone* 2> /dev/null)" ''
ok 'one process of a launcher runs by itself' env SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 \
	train-step "${options[@]}" --out alone --max-steps 1 train.arrows

if ! command -v mpirun > /dev/null || [[ $(ldd "$(command -v train-step)") != *libmpi* ]]; then
	skip 'a run of several processes' 'no mpirun, or no MPI in the build (make deps MPI=1)'
	finish
fi

ranks() { # PROCESSES OUT OPTION...: a run of so many processes, which cannot hang
	local processes=$1 out=$2
	shift 2
	timeout 120 mpirun -np "$processes" train-step "${options[@]}" --out "$out" "$@" < /dev/null
}

# 31 records an epoch: the last step of each is short, and of the last processes none.
for dtype in fp32 bf16; do
	train-step "${options[@]}" --dtype "$dtype" --out "one-$dtype" --eval eval.arrows train.arrows > "one-$dtype.jsonl" 2> err
	for processes in 2 4; do
		for threads in 1 2; do
			name="$processes processes of $threads threads, $dtype"
			ranks "$processes" many --force --dtype "$dtype" --threads "$threads" --eval eval.arrows train.arrows > many.jsonl 2> err ||
				cat err
			is "$name: the model of one process" "$(weights many)" "$(weights "one-$dtype")"
			is "$name: its metrics" "$(metrics many.jsonl)" "$(metrics "one-$dtype.jsonl")"
		done
	done
done
is 'the runs had short steps' "$(jq -c 'select(.loss) | .step' one-fp32.jsonl | xargs)" '1 2 3 4 5 6 7 8'
status '3 processes share out 8 batches' 0 ranks 3 three train.arrows
is 'and take as many steps' "$(tail -n 1 <<< "$out_text" | jq .step)" 8

# What the other processes need is the program alone: this one is started in a folder without the files.
mkdir elsewhere
cp -r "$model" model
relative=(train-step --model model --batch-size 1 --gradient-accumulation-steps 8 --lr 1e-3 --warmup-steps 3 --dropout 0.2)
status 'the others read no file' 0 timeout 120 mpirun -np 1 "${relative[@]}" --out bare train.arrows : \
	-np 1 --wdir "$scratch/elsewhere" "${relative[@]}" --out bare train.arrows
is 'and make the model of one process' "$(weights bare)" "$(weights one-fp32)"
is 'in one folder' "$(ls elsewhere)" ''

# A student, whose records carry a teacher's answers: some of them, and all.
for answers in '--top-k 5 --hidden-states' '--top-k 0'; do
	read -ra options_of_teach <<< "$answers"
	teach --model "$model" "${options_of_teach[@]}" < train.arrows > taught.arrows
	alpha=(--alpha-cos 0)
	[[ $answers != *hidden* ]] || alpha=()
	distill=(distill-step "${options[@]}" "${alpha[@]}" --max-steps 3)
	"${distill[@]}" --out student --force taught.arrows > one.jsonl
	timeout 120 mpirun -np 2 "${distill[@]}" --out students --force taught.arrows < /dev/null > many.jsonl
	is "2 processes make one student (teach $answers)" "$(weights students)" "$(weights student)"
	is 'and its metrics' "$(metrics many.jsonl)" "$(metrics one.jsonl)"
done

# A classifier with a label for each record; one whose batch norm must see a step's batches in order is refused.
awk 'BEGIN { srand(1); for (i = 0; i < 40; i++) {
	printf "{\"label\": %d, \"input_ids\": [2", i % 2
	for (n = 1 + i % 7; n > 0; n--) printf ", %d", 5 + int(80 * rand())
	print ", 3]}" } }' | rec-load --type tokens > labelled.arrows
classify=(classify-step --model "$model" --lr 1e-3 --batch-size 2 --gradient-accumulation-steps 4)
"${classify[@]}" --out classifier labelled.arrows > one.jsonl 2> err
timeout 120 mpirun -np 2 "${classify[@]}" --out classifiers labelled.arrows < /dev/null > many.jsonl 2> err
is '2 processes make one classifier' "$(weights classifiers)" "$(weights classifier)"
is 'and its metrics' "$(metrics many.jsonl)" "$(metrics one.jsonl)"
status 'a batch norm in several processes is refused' 69 timeout 120 mpirun -np 2 "${classify[@]}" --pooling concat \
	--out pooled labelled.arrows
like 'and named' "$err_text" '^classify-step: 2 processes, but a batch norm'

# Going on with another number of processes; groups that thaw; a frozen tensor.
head -c "$(($(wc -c < train.arrows) - 8))" train.arrows > cut.arrows
thawing=(--unfreeze-every 2 --freeze '*.bias' --save-steps 3)
train-step "${options[@]}" "${thawing[@]}" --out thawed train.arrows > thawed.jsonl
for pair in '1 4' '2 1' '4 2'; do
	read -r before after <<< "$pair"
	if [ "$before" = 1 ]; then
		train-step "${options[@]}" "${thawing[@]}" --max-steps 8 --out "from-$before" cut.arrows > part.jsonl 2> err
	else
		ranks "$before" "from-$before" "${thawing[@]}" --max-steps 8 cut.arrows > part.jsonl 2> err
	fi
	is "$before processes end by one line about a cut input" "$(grep -c '^train-step: cut.arrows: ' err)" 1
	like 'and a checkpoint' "$(ls "from-$before")" '^checkpoint-7$'
	status "$after go on" 0 ranks "$after" "from-$before" "${thawing[@]}" --max-steps 8 --resume train.arrows
	is 'to the model of a run that was never stopped' "$(weights "from-$before")" "$(weights thawed)"
done

# What ends all says so once.
rec-load --type masked "$model/train.jsonl" > long.arrows
for _ in {1..12}; do rec-cat long.arrows long.arrows > longer.arrows && mv longer.arrows long.arrows; done
refused() { # NAME STATUS EXPRESSION PROCESSES OPTION...
	local name=$1 expected=$2 expression=$3 processes=$4
	shift 4
	status "$name" "$expected" ranks "$processes" refused "$@"
	like "$name: why" "$err_text" "$expression"
	is "$name: once" "$(grep '^train-step: ' <<< "$err_text" | grep -vc ': stopped after step')" 1
}
refused 'more processes than batches of a step' 64 \
	'^train-step: 4 processes, but a step has 2 batches .*--gradient-accumulation-steps 4 or more' 4 \
	--gradient-accumulation-steps 2 train.arrows
refused 'a wrong option' 64 '^train-step: --lr: ' 2 --lr x train.arrows
refused 'settings that contradict each other' 64 '^train-step: --eval-steps' 2 --eval-steps 2 train.arrows
refused 'an input that is not there' 66 '^train-step: nowhere: ' 2 nowhere
refused 'a loss that is not finite' 65 '^train-step: step [0-9]+: the [a-z]+ is not finite' 2 --lr 1000 --max-grad-norm 0 \
	--lr-scheduler-type constant --warmup-steps 0 --save-steps 0 long.arrows
status 'patience ends all' 0 ranks 2 patient --lr 0 --eval eval.arrows --eval-steps 1 --early-stopping-patience 2 train.arrows
is 'after as many evaluations' "$(grep -c eval_loss <<< "$out_text")" 3

# Ended in the middle: by a signal to mpirun, and by the death of a process.
# Open MPI does not read what they print for a second before SIGTERM: they print little, and have no epochs, whose ends print.
long=(--lr-scheduler-type constant --warmup-steps 0 --save-steps 0 --logging-steps 200 --threads 1)
begin() { # OUT
	rm -f lines
	timeout 120 mpirun -np 2 train-step "${options[@]}" "${long[@]}" --out "$1" long.arrows < /dev/null > lines 2> err &
	run=$!
	launcher=
	while [ ! -s lines ] || [ -z "$launcher" ]; do
		sleep 0.1
		launcher=$(pgrep -P $run mpirun)
	done
}
begin stopped
kill -TERM "$launcher"
wait $run
like 'SIGTERM to mpirun saves the last step' "$(cat err)" '^train-step: stopped after step [0-9]+ \(--resume goes on from there\)$'
is 'in a checkpoint' "$(ls stopped)" "checkpoint-$(sed -n 's/^train-step: stopped after step \([0-9]*\).*/\1/p' err)"
begin bereft
mapfile -t children < <(pgrep -P "$launcher" train-step)
kill -KILL "${children[1]}"
status 'a process that is killed ends the run' 137 wait $run
like 'whose first process saves the last whole step' "$(ls bereft)" '^checkpoint-[0-9]+$'
# The end of what was begun twice is the end of a run of one process with as many steps.
step=$(sed -n 's/^train-step: stopped after step \([0-9]*\).*/\1/p' err)
train-step "${options[@]}" "${long[@]}" --save-steps "$step" --out alone-too --max-steps "$step" long.arrows > lines
is 'and no other' "$(weights "bereft/checkpoint-$step")" "$(weights "alone-too/checkpoint-$step")"
finish
