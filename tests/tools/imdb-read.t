#!/bin/bash
# imdb-read.t: the same documents in the same order from every kind of archive and from a folder; splits and limits; what is
# refused.
. "$(dirname "$0")/../tap.sh"
cd "$scratch" || exit 1

# write FILE TEXT
write() {
	mkdir -p "$(dirname "$1")"
	printf %s "$2" > "$1"
}
for place in train/neg/10_2 train/neg/1_4 train/neg/2_1 train/pos/10_10 train/pos/9_7 train/unsup/3_0 \
	test/pos/0_8 test/neg/5_1; do
	write "aclImdb/$place.txt" "The text of $place."
done
write aclImdb/train/urls_neg.txt 'no document'
write aclImdb/train/neg/._1_4.txt 'no document'
write aclImdb/train/neg/notes 'no document'
write aclImdb/README 'no document'

names() { # ARGUMENT...: the names of the documents, on one line
	imdb-read "$@" | rec-dump | sed 's/.*"name": "\([^"]*\)".*/\1/' | paste -sd ' '
}

all='train/neg/10_2.txt train/neg/1_4.txt train/neg/2_1.txt train/pos/10_10.txt train/pos/9_7.txt'
all="$all test/neg/5_1.txt test/pos/0_8.txt train/unsup/3_0.txt"
imdb-read aclImdb > folder.arrows
is 'a folder: every split, neg before pos, in the byte order of names' "$(names aclImdb)" "$all"
is 'text, label and name' "$(rec-dump folder.arrows | sed -n '1p;4p;8p')" \
'{"text": "The text of train/neg/10_2.", "label": 0, "name": "train/neg/10_2.txt"}
{"text": "The text of train/pos/10_10.", "label": 1, "name": "train/pos/10_10.txt"}
{"text": "The text of train/unsup/3_0.", "label": -1, "name": "train/unsup/3_0.txt"}'
like 'the metadata tells the number of records' "$(rec-dump --info folder.arrows)" '"records": 8\b'
like 'the metadata tells the type' "$(rec-dump --info folder.arrows)" '"type": "text"'

rec-dump folder.arrows > expected
# same NAME ARCHIVE
same() {
	imdb-read "$2" | rec-dump > got
	ok "$1" cmp got expected
}
for format in v7 ustar gnu posix; do
	tar --format=$format -cf $format.tar aclImdb
	same "a tar archive in the format $format" $format.tar
done
gzip -c gnu.tar > gnu.tar.gz
same 'a tar.gz' gnu.tar.gz
(head -c 3000 gnu.tar | gzip; tail -c +3001 gnu.tar | gzip) > members.tar.gz
same 'a tar.gz of two members' members.tar.gz
find aclImdb -type f | sort -r | tar -cf reversed.tar -T -
same 'an archive in another order' reversed.tar
deep=$(printf 'a%.0s' $(seq 120))
mkdir -p "$deep/$deep" && cp -r aclImdb "$deep/$deep/imdb"
for format in gnu posix; do
	tar --format=$format -cf deep.tar "$deep"
	same "any folders above, long names in the format $format" deep.tar
done
tar -C aclImdb -cf bare.tar train test
same 'no folder above' bare.tar
tar -C aclImdb -cf dot.tar .
same 'names that begin with ./' dot.tar
cat gnu.tar.gz | imdb-read | rec-dump > got
ok 'standard input' cmp got expected
ln -s neg aclImdb/train/link && tar -cf links.tar aclImdb && rm aclImdb/train/link
same 'a link that is no document is passed over' links.tar

cp -r aclImdb linked && ln -s ../pos/9_7.txt linked/train/neg/9_9.txt && tar -cf links.tar linked
status 'a document that is a link is refused' 65 imdb-read links.tar
like 'by its name' "$err_text" '^imdb-read: links.tar: linked/train/neg/9_9.txt: a link, with no text of its own'
is 'in a folder it is read' "$(imdb-read linked | rec-dump | grep 9_9)" \
	'{"text": "The text of train/pos/9_7.", "label": 0, "name": "train/neg/9_9.txt"}'
rm linked/train/neg/9_9.txt && ln linked/train/pos/9_7.txt linked/train/pos/9_9.txt && tar -cf links.tar linked
status 'so is a hard link' 65 imdb-read links.tar
like 'by its name' "$err_text" 'linked/train/pos/9_[79].txt: a link'
rm linked/train/pos/9_9.txt && mkfifo linked/train/pos/0_9.txt && tar -cf fifo.tar linked
status 'a document that is a pipe is refused' 65 imdb-read fifo.tar
like 'by its name' "$err_text" 'linked/train/pos/0_9.txt: not a regular file'
status 'in a folder as well' 65 timeout 10 imdb-read linked
like 'by its name' "$err_text" '^imdb-read: linked/train/pos/0_9.txt: not a regular file'
rm -r linked
truncate -s 1M aclImdb/train/neg/0_0.txt && printf x >> aclImdb/train/neg/0_0.txt
for format in gnu posix; do
	tar --sparse --format=$format -cf sparse.tar aclImdb
	status "a sparse file is refused in the format $format" 65 imdb-read sparse.tar
	like 'by its name' "$err_text" '^imdb-read: sparse.tar: aclImdb/train/neg/0_0.txt: a sparse file'
done
truncate -s 17M aclImdb/train/neg/0_0.txt && tar -czf bomb.tar.gz aclImdb
status 'a document of 17 MiB is refused' 65 imdb-read bomb.tar.gz
like 'by its name' "$err_text" 'bomb.tar.gz: aclImdb/train/neg/0_0.txt: 17825792 bytes \(at most 16777216 are taken\)'
rm aclImdb/train/neg/0_0.txt
tar -P --transform 's,^aclImdb,/etc/../../aclImdb,' -cf outside.tar aclImdb
same 'names that lead outside lead nowhere' outside.tar

is '--split train' "$(names --split train gnu.tar)" "${all%% test*}"
is '--split unsupervised' "$(names --split unsupervised gnu.tar)" 'train/unsup/3_0.txt'
is 'splits in the order named' "$(names --split unsupervised,test aclImdb)" \
	'train/unsup/3_0.txt test/neg/5_1.txt test/pos/0_8.txt'
is '--limit takes the first' "$(names --limit 2 reversed.tar)" 'train/neg/10_2.txt train/neg/1_4.txt'
like '--limit shows in the metadata' "$(imdb-read --limit 2 gnu.tar | rec-dump --info)" '"records": 2\b'
is '--order archive: as they are stored' "$(names --order archive reversed.tar)" \
	"$(tar -tf reversed.tar | grep -E '(neg|pos|unsup)/[0-9].*txt' | sed 's/aclImdb.//' | paste -sd ' ')"
is 'their number is then not known' "$(imdb-read --order archive gnu.tar | rec-dump --info | grep -c '"records"')" 0
is '--order archive from a pipe, of one split' \
	"$(cat gnu.tar.gz | imdb-read --order archive --split train | rec-dump | sort)" "$(grep train/[np] expected | sort)"
is '--order archive of a folder' "$(imdb-read --order archive aclImdb | rec-dump | sort)" "$(sort expected)"
is '--order archive --limit reads no further' "$( (cat reversed.tar; exec cat /dev/zero) |
	timeout 10 imdb-read --order archive --limit 3 | rec-dump | wc -l)" 3
is '--limit past the end' "$(names --limit 100 gnu.tar)" "$all"

# Any bytes are read; what is no UTF-8 becomes U+FFFD, as Python's errors="replace" has it.
mkdir -p bytes/train/pos
printf 'nul\0 caf\303\251 \360\237\230\200' > bytes/train/pos/0_9.txt
printf 'a\377b \303 \340\200 \355\240\200 \342\202 x \360\237\230' > bytes/train/pos/1_9.txt
: > bytes/train/pos/2_9.txt
status 'bytes that are no UTF-8 are no error' 0 imdb-read bytes
is 'they are counted, once' "$err_text" \
	'imdb-read: bytes: 9 invalid UTF-8 sequences became U+FFFD, in 1 of 3 documents, first in train/pos/1_9.txt'
is 'NUL, accents and an empty text pass' "$(imdb-read bytes 2> /dev/null | rec-dump | sed -n '1p;3p')" \
'{"text": "nul\u0000 café 😀", "label": 1, "name": "train/pos/0_9.txt"}
{"text": "", "label": 1, "name": "train/pos/2_9.txt"}'
replaced=$(imdb-read bytes 2> /dev/null | rec-dump | sed -n 2p)
is 'maximal subparts are replaced' "${replaced%%\", \"label*}" '{"text": "a�b � �� ��� � x �'

rm -r aclImdb/test
tar -cf part.tar aclImdb
is 'all splits: one that is not there is no error' "$(names part.tar)" "${all/test\/neg\/5_1.txt test\/pos\/0_8.txt /}"
status 'a split asked for that is not there' 65 imdb-read --split train,test part.tar
is 'says so' "$err_text" \
	'imdb-read: part.tar: no documents of the split test (looked for test/neg/*.txt and test/pos/*.txt)'
status 'the same of a folder' 65 imdb-read --split test aclImdb
mkdir empty
status 'a folder with nothing in it' 65 imdb-read empty
status 'an archive with nothing in it' 65 bash -c 'tar -cf - empty | imdb-read'
status 'no such file' 66 imdb-read absent.tar
like 'is named' "$err_text" '^imdb-read: absent.tar: '
status 'an unknown split' 64 imdb-read --split training gnu.tar
like 'is named with those there are' "$err_text" '^imdb-read: --split: training is none of train, test, unsupervised, all'
status 'a split named twice' 64 imdb-read --split train,train gnu.tar
status 'an empty split' 64 imdb-read --split train, gnu.tar
status 'a limit of nothing' 64 imdb-read --limit 0 gnu.tar

head -c 300 gnu.tar.gz > cut.tar.gz
status 'a tar.gz cut short' 65 imdb-read cut.tar.gz
like 'says so' "$err_text" '^imdb-read: cut.tar.gz: cut short within the gzip data'
head -c 2000 gnu.tar > cut.tar
status 'a tar cut short' 65 imdb-read cut.tar
is 'and nothing is written' "$out_text" ''
status 'cut short within the pass' 65 bash -c 'imdb-read --order archive cut.tar > cut.arrows'
status 'leaves no stream that passes for a whole one' 65 rec-dump cut.arrows
status 'a text is no archive' 65 bash -c 'seq 1000 | imdb-read'
like 'is said to be none' "$err_text" '^imdb-read: standard input: neither a tar archive, .*--format'
status 'where one was asked for' 65 bash -c 'seq 1000 | imdb-read --format imdb'
like 'is said to be none' "$err_text" '^imdb-read: standard input: damaged tar header .*not a tar archive'
for junk in junk.tar junk.tar.gz; do
	(cat gnu.tar${junk#junk.tar}; echo junk) > $junk
	status "junk after the end of $junk" 65 imdb-read $junk
	like 'is said to be there' "$err_text" "^imdb-read: $junk: more bytes after the"
done
cp -r aclImdb other && tar -cf twice.tar aclImdb other
status 'a document that is there twice' 65 imdb-read twice.tar
like 'is named' "$err_text" 'train/neg/10_2.txt is there twice'

"$top/pipelines/sample-reviews" one && "$top/pipelines/sample-reviews" two
ok 'sample-reviews makes the same files again' diff -r one two
is 'its documents' "$(for split in train test unsupervised; do names --split $split one/aclImdb | wc -w; done | paste -sd ' ')" \
	'1600 600 1400'
is 'each of 30 words and more, none of 150' \
	"$(find one -name '*.txt' -exec wc -w {} + | awk '$2 != "total" && ($1 < 30 || $1 > 149)')" ''

mkdir -p names/train/pos && printf x > "$(printf 'names/train/pos/\377_1.txt')"
tar -cf names.tar names
is 'a name that is no UTF-8 is repaired' "$(imdb-read names.tar 2> /dev/null | rec-dump)" \
	'{"text": "x", "label": 1, "name": "train/pos/�_1.txt"}'

if [ -n "$python" ]; then
	ok 'tarfile reads the same documents' "$python" "$top/tests/conformance/corpus.py" "$shared"
else
	skip 'tarfile reads the same documents' 'no Python with pyarrow'
fi

finish
