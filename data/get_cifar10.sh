#!/bin/sh
# Downloads CIFAR-10, binary version (170 MB), checks it and unpacks it into data/cifar-10-batches-bin.
#   sh data/get_cifar10.sh                  an interrupted download goes on where it stopped
#   sh data/get_cifar10.sh FOLDER           into another folder
#   sh data/get_cifar10.sh ARCHIVE          from a cifar-10-binary.tar.gz that is already here
#   sh data/get_cifar10.sh ARCHIVE FOLDER   both
# CIFAR10_URL=... is another address of the same archive. Does nothing if all files are there.
url=${CIFAR10_URL:-https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz}
archive_md5=c32a1d4ab5d03f1284b67883e8d87530
archive_size=170052171
file_size=30730000 # 10,000 records of 3,073 bytes
files="data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin"
expected="$archive_size bytes with MD5 $archive_md5"
by_hand="get it by other means, then run sh $0 ARCHIVE"
tries=5

help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

fail() {
    echo "get_cifar10.sh: $1" >&2
    exit 1
}

size() { wc -c < "$1" | tr -d ' '; }

md5_of() {
    if command -v md5sum > /dev/null; then
        md5sum < "$1" | cut -c 1-32
    elif command -v md5 > /dev/null; then
        md5 -q < "$1"
    else
        openssl md5 < "$1" | sed 's/.* //'
    fi
}

has_files() { # folder
    for file in $files; do
        [ -f "$1/$file" ] && [ "$(size "$1/$file")" -eq $file_size ] || return 1
    done
}

# Servers in trouble answer with a page of text; a gzip file begins with the bytes 1f 8b.
is_gzip() { [ "$(od -An -tx1 -N2 "$1" | tr -d ' ')" = 1f8b ]; }

is_archive() { # file
    [ -f "$1" ] && [ "$(md5_of "$1")" = $archive_md5 ]
}

# What is wrong with a file, in words.
found() { # file
    if ! is_gzip "$1"; then
        echo "no gzip file of $(size "$1") bytes"
    elif [ "$(size "$1")" -ne $archive_size ]; then
        echo "$(size "$1") bytes"
    else
        echo "MD5 $(md5_of "$1")"
    fi
}

# Goes on with a partial file. A slow server may take its time; a silent one may not.
fetch() { # file
    if command -v curl > /dev/null; then
        set -- --fail --location --continue-at - --output "$1" "$url"
        set -- --connect-timeout 30 --speed-time 60 --speed-limit 100 "$@"
        if [ -t 2 ]; then curl --progress-bar "$@"; else curl --silent "$@"; fi
    elif command -v wget > /dev/null; then
        if [ -t 2 ]; then wget -c -T 60 -O "$1" "$url"; else wget -q -c -T 60 -O "$1" "$url"; fi
    else
        fail "$url: expected curl or wget, found neither; $by_hand"
    fi
}

download() { # file
    try=1 why="no answer"
    until is_archive "$1"; do
        [ $try -le $tries ] || fail "$url: expected $expected, found $why in $tries tries; $by_hand"
        # What is as long as the archive but not it, or no archive from its first byte, is no beginning of it.
        if [ -s "$1" ] && { ! is_gzip "$1" || [ "$(size "$1")" -ge $archive_size ]; }; then rm -f "$1"; fi
        [ $try -eq 1 ] || sleep $((2 * try))
        fetch "$1"
        code=$?
        # Curl's 33: the server cannot go on with a file, or was in trouble; so only the next run starts anew.
        [ $code -ne 33 ] || [ $try -lt $tries ] || rm -f "$1"
        if [ -s "$1" ]; then why=$(found "$1"); elif [ $code -ne 0 ]; then why="nothing (exit $code)"; fi
        try=$((try + 1))
    done
}

# Files take their names when all of them are there; renaming within a folder never leaves half a file.
unpack() { # archive folder
    temporary=$2/unpack.$$
    trap 'rm -rf "$temporary"' EXIT
    trap 'exit 1' HUP INT TERM
    mkdir "$temporary" || fail "$2: expected a folder to write to, found none"
    gzip -dc "$1" 2> /dev/null | (cd "$temporary" && tar -xf -) 2> /dev/null ||
        fail "$1: expected an archive that can be unpacked, found none (is the disk full?)"
    has_files "$temporary/cifar-10-batches-bin" ||
        fail "$1: expected six files of $file_size bytes, found others (is the disk full?)"
    mv -f "$temporary"/cifar-10-batches-bin/* "$2" || fail "$2: expected a folder to write to, found none"
}

archive='' folder=$(dirname "$0")/cifar-10-batches-bin
for argument; do
    case $argument in
    --help | -h)
        help
        exit
        ;;
    -*) fail "expected ARCHIVE, FOLDER or --help, found $argument" ;;
    *.gz | *.tgz) archive=$argument ;;
    *) if [ -f "$argument" ]; then archive=$argument; else folder=$argument; fi ;;
    esac
done

if has_files "$folder"; then
    echo "$folder: complete"
    exit
fi
command -v md5sum > /dev/null || command -v md5 > /dev/null || command -v openssl > /dev/null ||
    fail "expected md5sum, md5 or openssl, found none"
[ -z "$archive" ] || [ -f "$archive" ] || fail "$archive: expected an archive, found none"
[ -z "$archive" ] || is_archive "$archive" ||
    fail "$archive: expected $expected, found $(found "$archive")"
mkdir -p "$folder" 2> /dev/null || fail "$folder: expected a folder to write to, found none"
if [ -n "$archive" ]; then
    unpack "$archive" "$folder"
else
    part=$folder/cifar-10-binary.tar.gz.part
    echo "downloading $url"
    download "$part"
    unpack "$part" "$folder"
    rm -f "$part"
fi
echo "$folder: complete"
