#!/bin/bash
# masks.t: wwm-mask and random-mask: which tokens are masked, how often, and that only seed and record determine it.
. "$(dirname "$0")/../tap.sh"

mkdir "$scratch/model"
{ printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]'; seq 5 999 | sed 's/^/t/'; } > "$scratch/model/vocab.txt"

# 640,000 positions: 5,000 chunks of 128, words of one to four tokens, a [SEP] [CLS] now and then.
awk 'BEGIN {
	state = 1 # Park and Miller
	for (record = 0; record < 5000; record++) {
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
my ($tool, $probability, $mask_rate, $random_rate, $original, $masked) = @ARGV;
my ($by_words, $vocabulary) = ($tool eq 'wwm-mask', 1000);
my (%seen, %broken, @trials, @hits, @random, $before);
my %by_chance = (mask => 0, kept => 0); # units given random tokens that come out all [MASK], or all as they were
sub broken { $broken{$_[0]}++ }
sub rate { my ($name, $hits, $trials, $p) = @_;
	my $bound = 5 * sqrt($trials * $p * (1 - $p)) + 1e-6;
	printf "%s: %d of %d, expected %.0f +- %.0f\n", $name, $hits, $trials, $trials * $p, $bound
		if abs($hits - $trials * $p) > $bound }
open my $in, '<', $original or die; open my $out, '<', $masked or die;
while (my $line = <$in>) {
	my $found = <$out> // die "too few records\n";
	my ($ids, $word_ids, $epoch) = $line =~ /\[(.*)\],"word_ids":\[(.*)\],"epoch":(\d)/ or die;
	my ($new, $labels) = $found =~ /^\{"input_ids": ?\[(.*)\], ?"labels": ?\[(.*)\], ?"epoch": ?$epoch\}$/ or die $found;
	my @ids = split /,/, $ids; my @word = split /,/, $word_ids;
	my @new = split /, ?/, $new; my @label = split /, ?/, $labels;
	my @units; # of positions
	for my $i (0 .. $#ids) {
		broken('a label is not the token') if $label[$i] != -100 && $label[$i] != $ids[$i];
		broken('a token changed that has no label') if $label[$i] == -100 && $new[$i] != $ids[$i];
		if ($word[$i] eq 'null') { broken('a special token was chosen') if $label[$i] != -100 }
		elsif ($by_words && $i > 0 && $word[$i] eq $word[$i - 1]) { push @{$units[-1]}, $i }
		else { push @units, [$i] }
	}
	my @chosen = map { $label[$_->[0]] != -100 } @units;
	broken('a word was torn')
		if $by_words && grep { my $u = $_; grep { ($label[$_] != -100) != $chosen[$u] } @{$units[$u]} } 0 .. $#units;
	for my $u (0 .. $#units) {
		$trials[$u]++;
		next if !$chosen[$u];
		$hits[$u]++;
		$seen{both}++ if $u > 0 && $chosen[$u - 1];
		$seen{twice}++ if $before && $u < @$before && $before->[$u];
		my @at = @{$units[$u]};
		$by_chance{$_} += $vocabulary ** -@at for 'mask', 'kept';
		if (!grep { $new[$_] != 4 } @at) { $seen{mask}++ }
		elsif (!grep { $new[$_] != $ids[$_] } @at) { $seen{kept}++ }
		else { $seen{random}++; if (@at > 1 || !$by_words) { $random[$new[$_]]++ for @at } }
	}
	$seen{trials} += @units; $seen{neighbours} += @units - 1;
	$seen{hits} += grep { $_ } @chosen;
	$seen{across} += @$before < @units ? @$before : @units if $before;
	$before = \@chosen;
}
die "too many records\n" if defined <$out>;
print "$_ ($broken{$_} times)\n" for keys %broken;
$seen{$_} //= 0 for 'mask', 'kept', 'random';
my $kept_rate = 1 - $mask_rate - $random_rate; $kept_rate = 0 if $kept_rate < 1e-9;
$_ *= $random_rate / $seen{hits} for values %by_chance;
rate('chosen', $seen{hits}, $seen{trials}, $probability);
rate("chosen at $_", $hits[$_], $trials[$_], $probability) for 0 .. 40;
# Pairs of neighbours overlap, so their number varies a little more: five deviations are 4.3 of it.
rate('chosen together with a neighbour', $seen{both}, $seen{neighbours}, $probability ** 2);
rate('chosen as in the record before', $seen{twice}, $seen{across}, $probability ** 2);
rate('[MASK]', $seen{mask}, $seen{hits}, $mask_rate + $by_chance{mask});
rate('kept', $seen{kept}, $seen{hits}, $kept_rate + $by_chance{kept});
rate('random', $seen{random}, $seen{hits}, $random_rate - $by_chance{mask} - $by_chance{kept});
if ($random_rate > 0) {
	# A token that became [MASK] counts as masked, a longer word that has one among others as random.
	my @possible = grep { $by_words || $_ != 4 } 0 .. $vocabulary - 1;
	my $sum = 0; $sum += $random[$_] // 0 for @possible;
	my ($square, $each, $freedom) = (0, $sum / @possible, @possible - 1);
	$square += (($random[$_] // 0) - $each) ** 2 / $each for @possible;
	printf "random tokens: chi-square %.0f, expected %d +- %.0f\n", $square, $freedom, 5 * sqrt(2 * $freedom)
		if abs($square - $freedom) > 5 * sqrt(2 * $freedom);
}
printf "too few units: %d\n", $seen{trials} if $seen{trials} < 200_000;
END
# Whether each record has one unit chosen, and the place of that unit among all is uniform, by its first two moments.
cat > "$scratch/one.pl" <<'END'
use strict; use warnings;
my ($tool, $original, $masked) = @ARGV;
my ($sum, $squares, $records) = (0, 0, 0);
open my $in, '<', $original or die; open my $out, '<', $masked or die;
while (my $line = <$in>) {
	my ($word_ids) = $line =~ /"word_ids":\[(.*)\]/; my ($labels) = <$out> =~ /"labels": ?\[(.*?)\]/;
	my @word = split /,/, $word_ids; my @label = split /, ?/, $labels;
	my @starts = grep { $word[$_] ne 'null' && ($tool ne 'wwm-mask' || $_ == 0 || $word[$_] ne $word[$_ - 1]) } 0 .. $#word;
	my @chosen = grep { $label[$starts[$_]] != -100 } 0 .. $#starts;
	print "record $.: ", scalar @chosen, " chosen\n" if @chosen != 1;
	my $place = ($chosen[0] + 0.5) / @starts - 0.5;
	$sum += $place; $squares += $place ** 2 - (1 - 1 / @starts ** 2) / 12; $records++;
}
printf "mean place %f\n", $sum / $records if abs($sum) > 5 * sqrt($records / 12);
printf "mean square of the place off by %f\n", $squares / $records if abs($squares) > 5 * sqrt($records / 180);
END
counted() { # TOOL PROBABILITY MASK_RATE RANDOM_RATE MASKED
	perl "$scratch/count.pl" "$1" "$2" "$3" "$4" "$scratch/chunks.jsonl" "$5" 2>&1
}
for stage in 'wwm-mask --wwm-probability 0.2 1 0 0.8 0.1' 'random-mask --mlm-probability 0.15 0.8 0.1 0.3 0.7'; do
	# tool, option and its default, default rates, other rates
	# shellcheck disable=SC2086
	set -- $stage
	"$1" --seed 3 < "$scratch/chunks.arrows" > "$scratch/masked.arrows"
	rec-dump "$scratch/masked.arrows" > "$scratch/masked.jsonl"
	is "$1: rules and frequencies" "$(counted "$1" "$3" "$4" "$5" "$scratch/masked.jsonl")" ''
	"$1" --seed 5 "$2" 0.4 --mask-rate "$6" --random-rate "$7" < "$scratch/chunks.arrows" | rec-dump > "$scratch/rates.jsonl"
	is "$1: rules and frequencies at the rates $6 and $7" "$(counted "$1" 0.4 "$6" "$7" "$scratch/rates.jsonl")" ''
	ok "$1: the same seed gives the same bytes" \
		bash -c "$1 --seed 3 < $scratch/chunks.arrows | cmp - $scratch/masked.arrows"
	ok "$1: the defaults are $2 $3 --mask-rate $4 --random-rate $5" bash -c "
		$1 $2 $3 --mask-rate $4 --random-rate $5 --seed 3 < $scratch/chunks.arrows | rec-dump | cmp - $scratch/masked.jsonl"
	ok "$1: on any number of threads" bash -c "
		for threads in 1 2 5; do
			$1 --seed 3 --threads \$threads < $scratch/chunks.arrows | cmp - $scratch/masked.arrows || exit 1
		done"
	is "$1: another seed gives other masks" \
		"$("$1" --seed 4 < "$scratch/chunks.arrows" | rec-dump | cmp -s - "$scratch/masked.jsonl"; echo $?)" 1
	is "$1: a record's masks depend on its place in the stream, and not on what follows" \
		"$(head -n 1500 "$scratch/chunks.jsonl" | rec-load --type chunks --model "$scratch/model" |
			"$1" --seed 3 | rec-dump | cksum)" "$(head -n 1500 "$scratch/masked.jsonl" | cksum)"
	like "$1: equal records are masked differently" \
		"$(for _ in 1 2; do head -n 1 "$scratch/chunks.jsonl"; done | rec-load --type chunks --model "$scratch/model" |
			"$1" | rec-dump | uniq | wc -l)" '^ *2$'
	is "$1: probability 0 masks nothing" \
		"$("$1" "$2" 0 < "$scratch/chunks.arrows" | rec-dump | grep -cE '"labels": ?\[(-100,? ?)+\]')" 5000
	is "$1: probability 1 leaves only special tokens" "$("$1" "$2" 1 < "$scratch/chunks.arrows" | rec-dump |
		sed 's/.*labels"//' | tr -cs '0-9-' '\n' | grep -c -e -100)" "$(grep -o null "$scratch/chunks.jsonl" | grep -c .)"
	like "$1: the stream says that it is masked" "$(rec-dump --info "$scratch/masked.arrows" | tr -d ' \n')" \
		'"type":"masked".*"seed":3'
	status "$1: no probability above 1" 64 "$1" "$2" 1.5
	status "$1: no rates above 1 together" 64 "$1" --mask-rate 0.7 --random-rate 0.4 "$scratch/chunks.arrows"
	like "$1: both options are named" "$err_text" '--mask-rate, --random-rate'

	# At probability 0 each record gets one unit, and each of its units equally often.
	"$1" "$2" 0 --at-least-one --seed 3 "$scratch/chunks.arrows" | rec-dump > "$scratch/one.jsonl"
	is "$1: at least one, and no more where chance chooses none" "$(perl "$scratch/one.pl" "$1" "$scratch/chunks.jsonl" \
		"$scratch/one.jsonl" 2>&1)" ''
	ok "$1: at least one changes nothing where chance chooses some" bash -c "
		$1 $2 0.9 --at-least-one $scratch/chunks.arrows | rec-dump > $scratch/some.jsonl
		$1 $2 0.9 $scratch/chunks.arrows | rec-dump | cmp - $scratch/some.jsonl"
	is "$1: a record without words has none to choose" "$(echo '{"input_ids":[2,3],"word_ids":[null,null]}' |
		rec-load --type chunks --model "$scratch/model" | "$1" --at-least-one | rec-dump | tr -d ' ')" \
		'{"input_ids":[2,3],"labels":[-100,-100]}'

	printf 't17\nt5\r\nt999' > "$scratch/exclude"
	"$1" "$2" 1 --exclude "$scratch/exclude" --model "$scratch/model" "$scratch/chunks.arrows" | rec-dump |
		perl -ne '/\[(.*)\].*\[(.*)\]/; my @new = split /, ?/, $1; my @label = split /, ?/, $2;
			for (0 .. $#new) { $left{$new[$_]}++ if $label[$_] == -100; $had{$label[$_]}++ }
			END { print "$_ " for grep { $left{$_} } 5, 17, 999; print "| "; print "$_ " for grep { $had{$_} } 5, 17, 999 }' \
		> "$scratch/excluded"
	is "$1: excluded tokens are left as they are" "$(cat "$scratch/excluded")" '5 17 999 | '
	echo t5000 >> "$scratch/exclude"
	status "$1: an excluded token that is none is refused" 65 "$1" --exclude "$scratch/exclude" \
		--model "$scratch/model" "$scratch/chunks.arrows"
	like "$1: with its line" "$err_text" 'exclude: line 3: .*t999t5000'
	status "$1: excluded tokens need a vocabulary" 64 "$1" --exclude "$scratch/exclude" "$scratch/chunks.arrows"
	like "$1: and say so" "$err_text" '--model'

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
	like "$1: and said so" "$err_text" 'made with vocabulary crc32:[0-9a-f]{8}, but the model.s is crc32:'
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
echo '{"input_ids":[2,5,6,3],"word_ids":[-1,0,1,-1],"token_type_ids":[0,0,1,1]}' |
	rec-load --type chunks --model "$scratch/model" > "$scratch/types.arrows"
for tool in wwm-mask random-mask; do
	is "$tool: token types are carried" "$($tool "$scratch/types.arrows" | rec-dump | sed 's/.*"token/"token/')" \
		'"token_type_ids": [0, 0, 1, 1]}'
done

# Special tokens that stand in a text: [ENT], which the tokenizer adds, and [UNK].
entity=$scratch/entity
mkdir "$entity"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' film good '##s' a '[ENT]' > "$entity/vocab.txt"
echo '{"added_tokens_decoder": {"9": {"content": "[ENT]", "special": true}}}' > "$entity/tokenizer_config.json"
echo '{"text": "good [ENT] films xyz"}' | rec-load --type text | wordpiece --model "$entity" > "$scratch/entity.arrows"
all_tokens() { random-mask --mlm-probability 1 --mask-rate 1 --random-rate 0 "$@" | rec-dump | tr -d ' '; }
all_words() { wwm-mask --wwm-probability 1 "$@" | rec-dump | tr -d ' '; }
like 'wordpiece: all special tokens travel with the stream' \
	"$(rec-dump --info "$scratch/entity.arrows" | tr -d ' \n')" '"all_special_ids":\[0,1,2,3,4,9\]'
is 'random-mask: masks none of them' "$(all_tokens "$scratch/entity.arrows")" \
	'{"input_ids":[2,4,9,4,4,1,3],"labels":[-100,6,-100,5,7,-100,-100]}'
is 'random-mask: a model tells them where the stream does not' \
	"$(echo '{"input_ids": [2, 6, 9, 3]}' | rec-load | all_tokens --model "$entity")" \
	'{"input_ids":[2,4,9,3],"labels":[-100,6,-100,-100]}'
is 'wwm-mask: those in the text are words, as to the collator of the course' "$(all_words "$scratch/entity.arrows")" \
	'{"input_ids":[2,4,4,4,4,4,3],"labels":[-100,6,9,5,7,1,-100]}'
is 'wwm-mask: with --keep-special they stay' "$(all_words --keep-special "$scratch/entity.arrows")" \
	'{"input_ids":[2,4,9,4,4,1,3],"labels":[-100,6,-100,5,7,-100,-100]}'
like 'wwm-mask: and the lineage tells' \
	"$(wwm-mask --keep-special "$scratch/entity.arrows" | rec-dump --info | tr -d ' \n')" '"arguments":\["--keep-special",'

# A column special_tokens_mask decides, whatever the ids, and ends there.
echo '{"input_ids": [2, 6, 1, 5, 3], "word_ids": [null, 0, 1, 2, null], "special_tokens_mask": [1, 1, 0, 0, 1]}' |
	rec-load --type chunks --model "$entity" > "$scratch/column.arrows"
is 'random-mask: special_tokens_mask decides where there is one' "$(all_tokens "$scratch/column.arrows")" \
	'{"input_ids":[2,6,4,4,3],"labels":[-100,-100,1,5,-100]}'
is 'wwm-mask: with --keep-special as well' "$(all_words --keep-special "$scratch/column.arrows")" \
	'{"input_ids":[2,6,4,4,3],"labels":[-100,-100,1,5,-100]}'
is 'wwm-mask: not without' "$(all_words "$scratch/column.arrows")" \
	'{"input_ids":[2,4,4,4,3],"labels":[-100,6,1,5,-100]}'
for list in '1, 1, 0:4 special_tokens_mask for 5' 'null, 1, 0, 0:special_tokens_mask\[1\] is null'; do
	echo "{\"input_ids\": [2, 6, 1, 5, 3], \"special_tokens_mask\": [1, ${list%%:*}]}" | rec-load > "$scratch/bad.arrows"
	status "random-mask: a special_tokens_mask that does not fit is refused: ${list#*:}" 65 \
		random-mask --model "$entity" "$scratch/bad.arrows"
	like 'random-mask: with the record' "$err_text" "record 1: ${list#*:}"
done

if [ -n "$python" ]; then
	ok 'masks are those computed in Python from the definition' "$python" "$top/tests/conformance/masks.py" "$scratch/model"
	ok 'over millions of positions, what is chosen and what becomes of it is within binomial bounds' \
		"$python" "$top/tests/conformance/mask_rates.py" "$scratch/model"
else
	skip 'masks are those computed in Python from the definition' 'no Python with pyarrow'
	skip 'over millions of positions, what is chosen and what becomes of it is within binomial bounds' 'no Python with numpy'
fi
finish
