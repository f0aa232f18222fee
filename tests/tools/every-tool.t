#!/bin/bash
# every-tool.t: the properties of every program: help, version, statuses, manual pages, full disks, closed pipes.
. "$(dirname "$0")/../tap.sh"

tools=$(cd "$top/tools" && echo *.c | sed 's/\.c//g')

for tool in $tools; do
	status "$tool --version exits 0" 0 "$tool" --version
	like "$tool --version names itself" "$out_text" "^$tool \(cloze\) [0-9.]+$"
	status "$tool --help exits 0" 0 "$tool" --help
	help=$out_text
	like "$tool --help begins with its usage" "$help" "^usage: $tool "
	like "$tool --help ends with an example that calls it" "$(tail -n 1 <<< "$help")" "^example: .*$tool"
	status "$tool refuses an unknown option" 64 "$tool" --no-such-option
	like "$tool names the unknown option in one line" "$err_text" "^$tool: --no-such-option: .+$"
	status "$tool --help to a full disk is an error" 73 bash -c "$tool --help > /dev/full"

	status "$tool -h exits 0" 0 "$tool" -h
	is "$tool -h is --help" "$out_text" "$help"

	manual=$top/man/$tool.1
	missing=$(grep -oE '^  --[a-z0-9-]+' <<< "$help" | tr -d ' ' | while read -r option; do
		# mdoc writes --name as `Fl -name`
		grep -qE "Fl -${option#--}( |\$)" "$manual" || echo "$option"
	done)
	is "$tool's manual page has every option" "$missing" ""
	unknown=$(grep -oE '^\.It Fl -[a-z0-9-]+' "$manual" | sed 's/.*Fl -/--/' | while read -r option; do
		grep -qE -- "^  $option( |\$)" <<< "$help" || echo "$option"
	done)
	is "$tool has every option of its manual page" "$unknown" ""
done

# The names that the Trainer, the reference's scripts and its course have for options are answered with ours, of the same
# tool or of another, which has it.
for foreign in learning-rate=lr learning_rate=lr num-train-epochs=epochs num_epochs=epochs fp16=dtype bf16=dtype \
	per-device-train-batch-size=batch-size per_device_eval_batch_size=eval-batch-size mlm_probability=mlm-probability \
	wwm-probability=wwm-probability output_dir=out overwrite-output-dir=force resume_from_checkpoint=resume \
	model_name_or_path=model max_seq_length=chunk-size block-size=chunk-size eval_strategy=eval-epochs \
	num_warmup_steps=warmup-steps max_train_steps=max-steps validation-file=eval epochs=epochs; do
	status "--${foreign%=*} is answered" 64 train-step "--${foreign%=*}" 1
	like "--${foreign%=*}: by --${foreign#*=}" "$err_text" "--${foreign%=*}: unknown option \\(.*--${foreign#*=}[ ;)]"
	named=$(sed -nE 's/.*\(([a-z-]+) has --.*/\1/p' <<< "$err_text")
	ok "--${foreign#*=} is an option of ${named:-train-step}" bash -c "${named:-train-step} --help | grep -q -e '  --${foreign#*=}'"
done
like '--fp16 with a value' "$(train-step --fp16=True 2>&1)" 'here it is --dtype bf16'
like 'another tool is named by one that has no such option' "$(wordpiece --learning-rate 1 2>&1)" '\(train-step has --lr\)'
like 'an option with underscores' "$(random-mask --mlm_probability 2 2>&1)" '--mlm-probability: 2 is out of range'
like 'and with a value' "$(random-mask --mlm_probability=2 2>&1)" '--mlm-probability: 2 is out of range'

# A name of the hub where a folder is asked for.
cd "$scratch" || exit
for tool in fill-mask perplexity wordpiece "train-step --out x" wwm-mask random-mask rec-load; do
	# shellcheck disable=SC2086
	status "$tool --model with a name of the hub" 66 $tool --model distilbert-base-uncased < /dev/null
	like "$tool tells how to fetch it" "$err_text" 'no such folder \(make fetch MODEL=distilbert-base-uncased'
done
status 'model-info with a name of the hub' 66 model-info google/bert_uncased_L-2
like 'model-info tells how to fetch it' "$err_text" 'make fetch MODEL=google/bert_uncased_L-2'
like 'a path is no name of the hub' "$(model-info ./nowhere 2>&1)" 'nowhere.*No such file'

if command -v mandoc > /dev/null; then
	is 'the manual pages are clean mdoc' "$(mandoc -T lint -W warning "$top"/man/*.[157] 2>&1)" ""
else
	skip 'the manual pages are clean mdoc' 'no mandoc'
fi

# A reader that stops early is no error, and a stage says nothing of it.
yes '{"input_ids": [101, 7592, 102]}' | head -n 100000 > "$scratch/lines"
bash -c "rec-load $scratch/lines | head -c 10 > /dev/null; echo \${PIPESTATUS[0]}" > "$scratch/closed" 2>&1
is 'a closed pipe ends a stage quietly with 141' "$(cat "$scratch/closed")" 141

status 'records to a full disk are an error' 73 bash -c "rec-load $scratch/lines > /dev/full"
like 'a full disk is said in one line' "$err_text" '^rec-load: .*No space left on device'

finish
