#!/bin/sh
# Looks at a certificate, at what a server shows, and puts a new one in the place of the old. It never prints a key.
#
#   certificate.sh place CERT KEY                 the files are in a state that can be renewed
#   certificate.sh tell CERT                      one line: DAYS-LEFT FINGERPRINT END
#   certificate.sh get FOLDER COMMAND             has COMMAND leave cert.pem and key.pem in FOLDER, its $NEW
#   certificate.sh examine FOLDER CERT NAMES CA   FOLDER/cert.pem and key.pem are good, fit each other, and outlast CERT
#   certificate.sh install FOLDER CERT KEY        keeps the former files in FOLDER/former, puts the new ones in their place
#   certificate.sh restore FOLDER CERT KEY        puts the former files back
#   certificate.sh served CERT CONNECT NAME       the server at CONNECT shows CERT, five times in a row
#   certificate.sh trusted CONNECT NAMES CA       a client that trusts CA (empty: what this host trusts) accepts it for each of NAMES
#
# CERT holds the certificate first, then those that lead to the root. Where CERT and KEY are one path, it also holds the key, as HAProxy
# wants it.
set -u
LC_ALL=C; export LC_ALL
umask 077
what=$1
shift

die() { printf '%s\n' "$*" >&2; exit 1; }
fingerprint() { openssl x509 -noout -fingerprint -sha256 | cut -d= -f2; }
end_of() { openssl x509 -in "$1" -noout -enddate | cut -d= -f2; }
seconds() { date -d "$1" +%s; }
public_of_cert() { openssl x509 -in "$1" -noout -pubkey 2>/dev/null; }
public_of_key() { openssl pkey -in "$1" -pubout 2>/dev/null </dev/null; }
shown() { timeout 10 openssl s_client -connect "$1" -servername "$2" </dev/null 2>/dev/null; }

# The new file beside the old one, with its owner and mode, then over it: who reads it sees the one or the other.
put() { # FROM... TO
  to=$1 new=$1.pitstop-new
  shift
  rm -f -- "$new"
  cat -- "$@" >"$new" && chown --reference="$to" -- "$new" && chmod --reference="$to" -- "$new" && sync -- "$new" &&
    mv -f -- "$new" "$to" || { rm -f -- "$new"; die "$to could not be written"; }
}

case $what in
  place)
    cert=$1 key=$2
    for tool in openssl timeout; do command -v "$tool" >/dev/null || die "$tool is not installed"; done
    for file in "$cert" "$key"; do
      [ ! -L "$file" ] || die "$file is a symbolic link to $(readlink -- "$file"): name the file itself"
      [ -f "$file" ] || die "there is no file $file: this runbook renews what is there"
    done
    [ -z "$(find "$key" -perm /o=rwx)" ] || die "everybody can read the key $key: chmod o= $key, and think of a new key"
    [ "$(public_of_cert "$cert")" = "$(public_of_key "$key")" ] || die "$key is not the key of $cert"
    ;;
  tell)
    end=$(end_of "$1") && [ -n "$end" ] || die "$1 holds no certificate"
    echo "$((($(seconds "$end") - $(date +%s)) / 86400)) $(fingerprint <"$1") $(date -u -d "$end" +%FT%TZ)"
    ;;
  get)
    # What it prints might be a key: nothing of its output is passed on, and of its complaints no key.
    NEW=$1
    export NEW
    said=$(sh -c "$2" 2>&1 >/dev/null </dev/null) && exit 0
    status=$?
    said=$(printf '%s\n' "$said" | sed '/-----BEGIN [A-Z ]*PRIVATE KEY-----/,/-----END/d' | tail -n 20)
    die "$said
the command failed with $status: $(printf '%s\n' "$said" | tail -n 1)"
    ;;
  examine)
    new=$1/cert.pem key=$1/key.pem old=$2 names=$3 ca=$4
    [ -s "$new" ] && openssl x509 -in "$new" -noout 2>/dev/null || die "the command left no certificate in \$NEW/cert.pem"
    [ -s "$key" ] && [ -n "$(public_of_key "$key")" ] || die "the command left no key in \$NEW/key.pem, or one with a passphrase"
    [ "$(public_of_cert "$new")" = "$(public_of_key "$key")" ] || die "the new key does not fit the new certificate"
    [ "$(fingerprint <"$new")" != "$(fingerprint <"$old")" ] || die "the new certificate is the old one"
    begin=$(openssl x509 -in "$new" -noout -startdate | cut -d= -f2)
    [ "$(seconds "$begin")" -le "$(date +%s)" ] || die "the new certificate is not valid before $begin"
    [ "$(seconds "$(end_of "$new")")" -gt "$(seconds "$(end_of "$old")")" ] ||
      die "the new certificate ends $(end_of "$new"), not later than the old one: $(end_of "$old")"
    for name in $names; do
      openssl x509 -in "$new" -noout -checkhost "$name" | grep -q 'does match' ||
        die "the new certificate is not for $name, but for: $(openssl x509 -in "$new" -noout -ext subjectAltName | sed '1d; s/^ *//')"
    done
    said=$(openssl verify -purpose sslserver -untrusted "$new" ${ca:+-CAfile "$ca"} "$new" 2>&1) ||
      die "the new certificate does not lead to a root that is trusted: $(printf '%s' "$said" | tr '\n' ' ')"
    echo "good until $(date -u -d "$(end_of "$new")" +%FT%TZ), $(fingerprint <"$new")"
    ;;
  install)
    folder=$1 cert=$2 key=$3
    # Done a second time, the former files are still those from before the first.
    [ -d "$folder/former" ] || {
      mkdir -p "$folder/keep" && cp -p -- "$cert" "$folder/keep/cert.pem" && cp -p -- "$key" "$folder/keep/key.pem" &&
        mv -- "$folder/keep" "$folder/former"
    } || die "the former files could not be kept in $folder"
    if [ "$cert" = "$key" ]; then
      put "$cert" "$folder/cert.pem" "$folder/key.pem"
    else
      put "$key" "$folder/key.pem"
      put "$cert" "$folder/cert.pem"
    fi
    ;;
  restore)
    folder=$1 cert=$2 key=$3
    [ -s "$folder/former/cert.pem" ] || { echo "nothing was replaced"; exit 0; }
    cmp -s "$folder/former/key.pem" "$key" || put "$key" "$folder/former/key.pem"
    cmp -s "$folder/former/cert.pem" "$cert" || put "$cert" "$folder/former/cert.pem"
    ;;
  served)
    cert=$1 connect=$2 name=$3
    want=$(fingerprint <"$cert")
    for look in 1 2 3 4 5; do
      has=$(shown "$connect" "$name" | fingerprint 2>/dev/null)
      [ -n "$has" ] || die "nothing speaks TLS at $connect"
      [ "$has" = "$want" ] || die "look $look of 5: $connect shows $has, $cert is $want"
    done
    echo "$connect shows $want"
    ;;
  trusted)
    connect=$1 names=$2 ca=$3
    for name in $names; do
      timeout 10 openssl s_client -connect "$connect" -servername "$name" -verify_hostname "$name" -verify_return_error \
        ${ca:+-CAfile "$ca"} </dev/null 2>&1 | grep -E 'Verification: OK|Verify return code: 0 ' >/dev/null ||
        die "a client does not accept what $connect shows for $name"
    done
    ;;
  *) die "certificate.sh does not know $what" ;;
esac
