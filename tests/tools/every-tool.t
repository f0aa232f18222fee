#!/bin/bash
# every-tool.t: the habits that every program shares: help, version, statuses, manual pages, full disks, closed pipes.
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
