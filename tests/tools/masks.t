#!/bin/bash
# masks.t: wwm-mask and random-mask: what is masked, how often, and that nothing but seed and record decides it.
. "$(dirname "$0")/../tap.sh"

mkdir "$scratch/model"
{ printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]'; seq 5 999 | sed 's/^/t/'; } > "$scratch/model/vocab.txt"

# A million positions: 8,000 chunks of 128, words of one to four tokens, a [SEP] [CLS] now and then.
awk 'BEGIN {
	state = 1 # Park and Miller
	for (record = 0; record < 8000; record++) {
		ids = words = separator = ""; word = 0; left = 0
		for (i = 0; i < 128; i++) {
			state = state * 16807 % 2147483647
			draw = int(state / 65536)
			if (left == 0 && draw % 40 == 0) {
				ids = ids separator (draw % 80 ? 2 : 3); words = words separator "null"; word = 0
			} else {
				if (left == 0) { left = 1 + draw % 4; word++ }
				left--
				ids = ids separator (5 + draw % 995); words = words separator (word - 1)
			}
			separator = ","
		}
		print "{\"input_ids\":[" ids "],\"word_ids\":[" words "],\"epoch\":" record % 3 "}"
	}
}' > "$scratch/chunks.jsonl"
rec-load --type chunks --model "$scratch/model" "$scratch/chunks.jsonl" > "$scratch/chunks.arrows"

# Counts what was done to the chunks, and prints what breaks a rule: `NAME: found, expected`. Frequencies are to be
# within five standard deviations of the binomial distribution.
cat > "$scratch/count.pl" <<'END'
use strict; use warnings;
my ($tool, $probability, $original, $masked) = @ARGV;
my (%seen, %broken, @random, $words_before);
sub broken { $broken{$_[0]}++ }
sub rate { my ($name, $hits, $trials, $p) = @_;
	my $bound = 5 * sqrt($trials * $p * (1 - $p));
	printf "%s: %d of %d, expected %.0f +- %.0f\n", $name, $hits, $trials, $trials * $p, $bound
		if abs($hits - $trials * $p) > $bound }
open my $in, '<', $original or die; open my $out, '<', $masked or die;
while (my $line = <$in>) {
	my $found = <$out> // die "too few records\n";
	my ($ids, $word_ids, $epoch) = $line =~ /\[(.*)\],"word_ids":\[(.*)\],"epoch":(\d)/ or die;
	my ($new, $labels) = $found =~ /^\{"input_ids": ?\[(.*)\], ?"labels": ?\[(.*)\], ?"epoch": ?$epoch\}$/ or die $found;
	my @ids = split /,/, $ids; my @word = split /,/, $word_ids;
	my @new = split /, ?/, $new; my @label = split /, ?/, $labels;
	my @chosen = map { $_ != -100 } @label;
	my $run = -1; my @words;
	for my $i (0 .. $#ids) {
		broken('a label is not the token') if $chosen[$i] && $label[$i] != $ids[$i];
		broken('a token changed that has no label') if !$chosen[$i] && $new[$i] != $ids[$i];
		if ($word[$i] eq 'null') {
			broken('a special token was chosen') if $chosen[$i];
		} elsif ($tool eq 'wwm-mask') {
			broken('a chosen token is not [MASK]') if $chosen[$i] && $new[$i] != 4;
			if ($i == 0 || $word[$i] ne $word[$i - 1]) { push @words, $chosen[$i] }
			else { broken('a word was torn') if $chosen[$i] != $chosen[$i - 1] }
		} else {
			push @words, $chosen[$i];
			if ($chosen[$i]) {
				$seen{chosen}++;
				if ($new[$i] == 4) { $seen{mask}++ } elsif ($new[$i] == $ids[$i]) { $seen{kept}++ }
				else { $seen{random}++; $random[$new[$i]]++ }
			}
		}
	}
	for my $w (0 .. $#words) {
		$seen{trials}++; $seen{hits} += $words[$w];
		$seen{"trials$w"}++; $seen{"hits$w"} += $words[$w];
		if ($w > 0) { $seen{neighbours}++; $seen{both}++ if $words[$w] && $words[$w - 1] }
		if ($words_before && $w < @$words_before) { $seen{across}++; $seen{twice}++ if $words[$w] && $words_before->[$w] }
	}
	$words_before = \@words;
}
die "too many records\n" if defined <$out>;
print "$_ ($broken{$_} times)\n" for keys %broken;
rate('chosen', $seen{hits}, $seen{trials}, $probability);
rate("chosen at $_", $seen{"hits$_"}, $seen{"trials$_"}, $probability) for 0 .. 40;
# Pairs of neighbours overlap, so their number varies a little more: five deviations are 4.3 of it.
rate('chosen together with a neighbour', $seen{both}, $seen{neighbours}, $probability ** 2);
rate('chosen as in the record before', $seen{twice}, $seen{across}, $probability ** 2);
if ($tool eq 'random-mask') {
	rate('[MASK]', $seen{mask}, $seen{chosen}, 0.8 + 0.1 / 1000);
	rate('kept', $seen{kept}, $seen{chosen}, 0.1 + 0.1 / 1000);
	rate('random', $seen{random}, $seen{chosen}, 0.1 * 0.998);
	my $square = 0; my $each = $seen{random} / 999; # of 1,000 tokens, not [MASK], seen as such
	for my $id (0 .. 999) { $square += (($random[$id] // 0) - $each) ** 2 / $each if $id != 4 }
	printf "random tokens: chi-square %.0f, expected 998 +- %.0f\n", $square, 5 * sqrt(2 * 998)
		if abs($square - 998) > 5 * sqrt(2 * 998);
}
printf "too few positions: %d\n", $seen{trials} if $seen{trials} < 400_000;
END
for stage in 'wwm-mask --wwm-probability 0.2' 'random-mask --mlm-probability 0.15'; do
	# shellcheck disable=SC2086
	set -- $stage
	"$1" --seed 3 < "$scratch/chunks.arrows" > "$scratch/masked.arrows"
	rec-dump "$scratch/masked.arrows" > "$scratch/masked.jsonl"
	is "$1: rules and frequencies over a million positions" \
		"$(perl "$scratch/count.pl" "$1" "$3" "$scratch/chunks.jsonl" "$scratch/masked.jsonl" 2>&1)" ''
	ok "$1: the same seed gives the same bytes" \
		bash -c "$1 --seed 3 < $scratch/chunks.arrows | cmp - $scratch/masked.arrows"
	ok "$1: $3 is the default" bash -c "$stage --seed 3 < $scratch/chunks.arrows | rec-dump | cmp - $scratch/masked.jsonl"
	is "$1: another seed gives other masks" \
		"$("$1" --seed 4 < "$scratch/chunks.arrows" | rec-dump | cmp -s - "$scratch/masked.jsonl"; echo $?)" 1
	is "$1: a record's masks depend on its place in the stream, and not on what follows" \
		"$(head -n 1500 "$scratch/chunks.jsonl" | rec-load --type chunks --model "$scratch/model" |
			"$1" --seed 3 | rec-dump | cksum)" "$(head -n 1500 "$scratch/masked.jsonl" | cksum)"
	like "$1: equal records are masked differently" \
		"$(for _ in 1 2; do head -n 1 "$scratch/chunks.jsonl"; done | rec-load --type chunks --model "$scratch/model" |
			"$1" | rec-dump | uniq | wc -l)" '^ *2$'
	is "$1: probability 0 masks nothing" \
		"$("$1" "$2" 0 < "$scratch/chunks.arrows" | rec-dump | grep -cE '"labels": ?\[(-100,? ?)+\]')" 8000
	is "$1: probability 1 leaves only special tokens" "$("$1" "$2" 1 < "$scratch/chunks.arrows" | rec-dump |
		sed 's/.*labels"//' | tr -cs '0-9-' '\n' | grep -c -e -100)" "$(grep -o null "$scratch/chunks.jsonl" | grep -c .)"
	like "$1: the stream says that it is masked" "$(rec-dump --info "$scratch/masked.arrows" | tr -d ' \n')" \
		'"type":"masked".*"seed":3'
	status "$1: no probability above 1" 64 "$1" "$2" 1.5

	sed 's/,"epoch.*/}/' "$scratch/chunks.jsonl" | head -n 20 > "$scratch/few.jsonl"
	rec-load --type chunks "$scratch/few.jsonl" > "$scratch/foreign.arrows"
	status "$1: a stream that does not tell its vocabulary is refused" 65 "$1" "$scratch/foreign.arrows"
	like "$1: and the option named" "$err_text" '--model'
	is "$1: a model's folder tells it" \
		"$("$1" --seed 3 --model "$scratch/model" "$scratch/foreign.arrows" | rec-dump | cksum)" \
		"$(head -n 20 "$scratch/masked.jsonl" | sed -E 's/, ?"epoch.*/}/' | cksum)"
	mkdir -p "$scratch/other"
	sed 's/t999/t1000/' "$scratch/model/vocab.txt" > "$scratch/other/vocab.txt"
	status "$1: another vocabulary than the stream's is refused" 65 "$1" --model "$scratch/other" "$scratch/chunks.arrows"
	like "$1: and said so" "$err_text" 'another vocabulary'
	echo '{"input_ids":[2,5,1000,3],"word_ids":[null,0,0,null]}' |
		cat "$scratch/few.jsonl" - | rec-load --type chunks --model "$scratch/model" > "$scratch/bad.arrows"
	status "$1: an id outside the vocabulary is refused" 65 "$1" "$scratch/bad.arrows"
	like "$1: with record and position" "$err_text" 'record 21: input_ids\[2\] is 1000'
	head -c -8 "$scratch/chunks.arrows" > "$scratch/cut.arrows"
	status "$1: a stream that was cut short is refused" 65 bash -c "$1 $scratch/cut.arrows > $scratch/out.arrows"
	status "$1: and what was written of it is no stream" 65 bash -c "rec-dump $scratch/out.arrows > /dev/null"
done

status 'random-mask: records that are masked already are refused' 65 random-mask "$scratch/masked.arrows"
like 'random-mask: and said so' "$err_text" 'masked already'
status 'wwm-mask: records without word ids are refused' 65 wwm-mask "$scratch/masked.arrows"
like 'wwm-mask: and said so' "$err_text" 'word_ids'
echo '{"input_ids":[2,5,6,3],"word_ids":[null,0,0]}' |
	rec-load --type chunks --model "$scratch/model" > "$scratch/bad.arrows"
status 'wwm-mask: too few word ids are refused' 65 wwm-mask "$scratch/bad.arrows"
like 'wwm-mask: with the record' "$err_text" 'record 1: 3 word_ids for 4 input_ids'
echo '{"input_ids":[2,5,6,3],"word_ids":[-1,0,-2,-1]}' |
	rec-load --type chunks --model "$scratch/model" > "$scratch/bad.arrows"
status 'wwm-mask: a negative word id is refused' 65 wwm-mask "$scratch/bad.arrows"
like 'wwm-mask: with record and position' "$err_text" 'record 1: word_ids\[2\] is -2'
echo '{"input_ids":[2,5,3,2,6,3],"word_ids":[-1,0,-1,-1,0,-1]}' |
	rec-load --type chunks --model "$scratch/model" > "$scratch/two.arrows"
is 'wwm-mask: a null ends a word, and -1 is one' "$(for seed in $(seq 40); do
	wwm-mask --wwm-probability 0.5 --seed "$seed" "$scratch/two.arrows" | rec-dump
done | sed 's/.*labels/labels/' | sort -u | wc -l | tr -d ' ')" 4

if [ -n "$python" ]; then
	ok 'masks are those computed in Python from the definition' "$python" "$top/tests/conformance/masks.py" "$scratch/model"
else
	skip 'masks are those computed in Python from the definition' 'no python with pyarrow'
fi
finish
