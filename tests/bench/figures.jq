# figures.jq: what the figures of `make bench` are, and the tables of them.

def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# Adds what a figure says and in what unit.
def with_value: . + (
	if .tokens_per_second then {value: .tokens_per_second, unit: "tokens/s"}
	elif .reviews_per_second then {value: .reviews_per_second, unit: "reviews/s"}
	elif .tokens then {value: (.tokens / .seconds), unit: "tokens/s"}
	elif .reviews then {value: (.reviews / .seconds), unit: "reviews/s"}
	elif .bytes then {value: (.bytes / .seconds / 1e6), unit: "MB/s"}
	elif .milliseconds then {value: .milliseconds, unit: "ms"}
	else {value: .seconds, unit: "s"} end);

# More is better.
def speed: if .unit == "s" or .unit == "ms" then 1 / .value else .value end;

# Three digits, or as many as a whole number has.
def rounded: if . >= 100 then round elif . >= 10 then . * 10 | round / 10 else . * 100 | round / 100 end;

# In the order that they were measured in.
def groups(key): to_entries | map(.value + {at: .key}) | group_by(key) | sort_by(.[0].at)[];

def medians: {value: (map(.value) | median), speed: (map(speed) | median), megabytes: (map(.megabytes) | median | round),
	unit: .[0].unit, mode: .[0].mode, peer: .[0].peer};

# A line for each kind of reference that the row has: the best of its ways.
def lines: .[0].what as $what | (map(select(.who == "cloze")) | medians) as $ours |
	[map(select(.who == "reference")) | groups(.peer) | [groups(.command) | medians] | max_by(.speed)] |
	if . == [] then "| \($what) | \($ours.value | rounded) \($ours.unit) | - | - | \($ours.megabytes) MB |"
	else .[] | "| \($what)\(if .peer then ", beside \(.peer)" else "" end) | \($ours.value | rounded) \($ours.unit) | " +
		"\(.value | rounded) \(.unit)\(if .mode then ", \(.mode)" else "" end) | " +
		"\($ours.speed / .speed | rounded) times | \($ours.megabytes) of \(.megabytes) MB |" end;

def tables: .machine as $machine | "\($machine.processor), \($machine.threads) threads; \(.data); \(.model)", "",
	(select(.figures != []) | "|  | cloze | reference | faster | memory |", "| --- | --- | --- | --- | --- |",
		(.figures | groups(.what) | lines), ""),
	(select(.memory != []) | "| memory of | the data | \(.memory | map(.times) | max) times the data |", "| --- | --- | --- |",
		(.memory | groups(.stage) | "| \(.[0].stage) | \(map("\(.megabytes * 10 | round / 10) MB") | join(" | ")) |"));
