#!/bin/sh
# Prints who can come into a host and what they may do there, as JSON: a list of objects. Changes nothing, and tells no password's hash.
#
#   access.sh accounts                                 accounts that matter: who can log in, is root, or has rights
#   access.sh keys                                     keys that open them, each with the account
#   access.sh findings FAIL ROOT DAYS IDLE PEOPLE KEYS what should not be so
#       FAIL    words of findings that fail, with blanks between; the others warn
#       ROOT    no: nobody logs in as root; keys: with a key; any
#       DAYS    a key that was not changed for so many days is old; 0: none is
#       IDLE    who can log in and did not for so many days is idle; 0: nobody is
#       PEOPLE  accounts that may log in; empty: all
#       KEYS    comments and fingerprints of keys that may be there, a line each; empty: all
#   access.sh verdict                                  reads "fail ..." and "warn ..." lines; ends with 1 where something fails
set -uf
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
nl='
'
tab='	'
die() { echo "$1" >&2; exit 1; }

verdict() {
  said=$(cat)
  printf '%s\n' "$said" | sed -n 's/^warn //p'
  failed=$(printf '%s\n' "$said" | sed -n 's/^fail //p')
  [ -n "$failed" ] || exit 0
  printf '%s\n' "$failed" >&2
  # One line says it all, as far as it has room: it stands in the report.
  printf '%s\n' "$failed" | awk '{ all = all (NR > 1 ? "; " : "") $0 } END { print NR (NR == 1 ? " finding: " : " findings: ") all }' >&2
  exit 1
}
[ "${1-}" != verdict ] || verdict
[ "$(id -u)" = 0 ] || die "only root sees passwords' states and other people's keys"
command -v getent >/dev/null || die "there is no getent"

# One line a field: its kind (s text, n number, b true or false, l an item of a list), its name, its value; an empty line ends the object.
field() {
  value=$3
  case $value in *"$nl"*) value=$(printf '%s' "$value" | tr '\n' ' ') ;; esac
  printf '%s\t%s\t%s\n' "$1" "$2" "$value"
}
text() { field s "$1" "$2"; }
number() { field n "$1" "$2"; }
flag() { field b "$1" "$2"; }
items() { # NAME VALUE...
  name=$1; shift
  printf 'l\t%s\n' "$name"
  for item in "$@"; do field l "$name" "$item"; done
}
end() { echo; }
# shellcheck disable=SC2016 # it is awk
rows() {
  awk -F '\t' '
    BEGIN { for (i = 1; i < 32; i++) m[sprintf("%c", i)] = sprintf("\\u%04x", i); m["\""] = "\\\""; m["\\"] = "\\\\"; printf "[" }
    function q(s,   i, c, o) { o = "\""; for (i = 1; i <= length(s); i++) { c = substr(s, i, 1); o = o ((c in m) ? m[c] : c) } return o "\"" }
    $0 == "" {
      if (n) { printf "%s{", sep; for (i = 1; i <= n; i++) printf "%s%s:%s%s", (i > 1 ? "," : ""), q(name[i]), said[i], (list[i] ? "]" : ""); printf "}"; sep = ",\n " }
      n = 0; split("", at); split("", list); next
    }
    {
      v = substr($0, length($1) + length($2) + 3)
      if (!($2 in at)) { at[$2] = ++n; name[n] = $2; list[n] = ($1 == "l"); said[n] = ($1 == "l" ? "[" : "") }
      i = at[$2]
      if ($1 == "l") { if (NF > 2) said[i] = said[i] (said[i] == "[" ? "" : ",") q(v) }
      else if ($1 == "n") said[i] = (v ~ /^-?[0-9]+$/ ? v : "null")
      else if ($1 == "b") said[i] = (v == "true" || v == "false" ? v : "null")
      else said[i] = (v == "" ? "null" : q(v))
    }
    END { print "]" }'
}

today=$(($(date +%s) / 86400))
sshd_says=
sshd_asks=no
if command -v sshd >/dev/null; then
  sshd_asks=failed
  # What Match blocks say for a login as root; others are asked for by name below.
  sshd_says=$(sshd -T -C "user=root,host=$(uname -n),addr=127.0.0.1" 2>/dev/null) && sshd_asks=yes
fi
sshd_word() { printf '%s\n' "$sshd_says" | sed -n "s/^$1 //p" | head -n 1; }

# Names of accounts: all that are listed, and whom groups and sudoers name beside (a directory service may list nobody).
groups_with_power='wheel sudo admin adm docker lxd libvirt disk shadow root'
sudo_groups=$(for file in /etc/sudoers $(ls -d /etc/sudoers.d/ 2>/dev/null); do
  [ -e "$file" ] && find "$file" -type f ! -name '*~' ! -name '*.*' -exec sed -n 's/^[[:space:]]*%\([^ #\\:[:space:]]*\).*/\1/p' {} +
done 2>/dev/null | sort -u)
passwd=$(getent passwd) || die "getent passwd failed"
members=$(for group in $groups_with_power $sudo_groups; do getent group "$group" | cut -d: -f4; done | tr , '\n' | sort -u)
more=$(for name in $members; do
  printf '%s\n' "$passwd" | grep -q "^$name:" || getent passwd "$name"
done)
passwd=$(printf '%s\n%s\n' "$passwd" "$more" | awk -F: 'NF > 6 && !seen[$1]++')
[ "$(printf '%s\n' "$passwd" | wc -l)" -le 5000 ] || die "more than 5000 accounts: too many for one review"

# NAME FIELD-2-OF-PASSWD: how its password stands, without a part of it; whether the account is over; both by words.
shadow() {
  case $2 in
    x | '*' | '!'*) ;;
    '') echo "empty -"; return ;;
    *) echo "in-passwd -"; return ;;
  esac
  getent shadow -- "$1" 2>/dev/null | awk -F: -v today="$today" -v given="$2" '
    { found = 1
      p = $2; w = "usable"
      if (p == "") w = "empty"
      else if (p ~ /^!+\$/ || p ~ /^!+[.\/0-9A-Za-z]{13}/) w = "locked"
      else if (p ~ /^[!*]/ || p == "x") w = "none"
      else if (p ~ /^\$1\$/) w = "usable, MD5"
      else if (p !~ /^[$_]/) w = "usable, DES"
      e = "-"
      if ($8 != "" && $8 + 0 <= today) e = "expired"
      else if (w ~ /^usable/ && $3 == "0") e = "password-to-be-changed"
      else if (w ~ /^usable/ && $3 != "" && $5 != "" && $5 + 0 < 99999 && $3 + $5 < today)
        e = ($7 != "" && $3 + $5 + $7 < today) ? "expired" : "password-to-be-changed"
      gsub(" ", "_", w); print w, e; exit }
    END { if (!found) print (given ~ /^[!*]/ ? "none" : "unknown"), "-" }'
}

# NAME: the last login, as a moment; "never"; or nothing where nobody keeps it.
last_login() {
  if command -v lastlog >/dev/null && [ -e /var/log/lastlog ]; then
    line=$(lastlog -u "$1" 2>/dev/null | sed -n 2p)
    case $line in
      *'**Never logged in**'*) echo never ;;
      ?*) when=$(printf '%s' "$line" | grep -o '\(Mon\|Tue\|Wed\|Thu\|Fri\|Sat\|Sun\) .*') && date -u -d "$when" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null ;;
    esac
  elif command -v lastlog2 >/dev/null; then
    line=$(lastlog2 -u "$1" 2>/dev/null | sed -n 2p)
    case $line in
      *'**Never logged in**'*) echo never ;;
      ?*) when=$(printf '%s' "$line" | grep -o '\(Mon\|Tue\|Wed\|Thu\|Fri\|Sat\|Sun\) .*') && date -u -d "$when" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null ;;
    esac
  fi
}

# NAME: what sudo would let it do, rule by rule; the first word says whether one needs no password. Nothing: nothing.
sudo_of() {
  command -v sudo >/dev/null || return 0
  sudo -n -l -U "$1" 2>/dev/null | awk '
    /^Matching Defaults/ { defaults = 1; next }
    /may run the following commands/ { defaults = 0; rules = 1; next }
    defaults && /!authenticate/ { free = 1 }
    rules && /^ / { sub(/^ +/, ""); if ($0 ~ /NOPASSWD:/) free = 1; all = all (all == "" ? "" : "; ") $0 }
    END { if (all != "") print (free ? "free" : "asks"), all }'
}

shell_opens() {
  case ${1##*/} in nologin | false | sync | halt | shutdown | true) return 1 ;; esac
  # Without a word there it is /bin/sh.
  [ -z "$1" ] || [ -x "$1" ]
}

# NAME HOME: the files that sshd reads keys from.
key_files() {
  [ "$sshd_asks" = yes ] || { printf '%s\n' "$2/.ssh/authorized_keys" "$2/.ssh/authorized_keys2"; return; }
  files=$(sshd_word authorizedkeysfile)
  case $matches in yes) files=$(sshd -T -C "user=$1,host=$(uname -n),addr=127.0.0.1" 2>/dev/null | sed -n 's/^authorizedkeysfile //p') ;; esac
  for file in $files; do
    case $file in none) continue ;; esac
    file=$(printf '%s' "$file" | awk -v user="$1" -v home="$2" -v uid="$3" '{
      while (match($0, /%[hukU%]/)) { c = substr($0, RSTART + 1, 1); out = out substr($0, 1, RSTART - 1) (c == "h" ? home : c == "u" ? user : c == "U" ? uid : "%"); $0 = substr($0, RSTART + 2) }
      print out $0 }')
    case $file in /*) echo "$file" ;; *) echo "$2/$file" ;; esac
  done
}
matches=no
grep -qsi '^[[:space:]]*match[[:space:]]' /etc/ssh/sshd_config && matches=yes
for file in $(find /etc/ssh/sshd_config.d -name '*.conf' 2>/dev/null); do grep -qsi '^[[:space:]]*match[[:space:]]' "$file" && matches=yes; done

# FILE: its keys, a line each: LINE TYPE BLOB OPTIONS COMMENT with tabs between. Of what is no key only the place is told: the file may be
# a link to something that nobody should read here.
key_lines() {
  head -c 1048576 -- "$1" 2>/dev/null | tr -d '\r' | awk '
    /^[[:space:]]*(#|$)/ { next }
    { rest = $0; sub(/^[ \t]+/, "", rest); options = ""
      if (rest !~ /^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+[ \t]/) {
        quoted = 0
        for (i = 1; i <= length(rest); i++) {
          c = substr(rest, i, 1)
          if (c == "\\") { i++; continue }
          if (c == "\"") quoted = !quoted
          else if ((c == " " || c == "\t") && !quoted) break
        }
        options = substr(rest, 1, i - 1); rest = substr(rest, i); sub(/^[ \t]+/, "", rest)
      }
      if (rest !~ /^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+[ \t]+AAAA[A-Za-z0-9+\/=]+/) { print NR "\t-\t-\t-\t-"; next }
      split(rest, part, /[ \t]+/)
      comment = rest; sub(/^[^ \t]+[ \t]+[^ \t]+[ \t]*/, "", comment)
      gsub("\t", " ", options); gsub("\t", " ", comment)
      print NR "\t" part[1] "\t" part[2] "\t" (options == "" ? "-" : options) "\t" (comment == "" ? "-" : comment) }'
}

# Keys of all accounts, a line each, with tabs between: ACCOUNT FILE LINE TYPE BITS FINGERPRINT OPTIONS COMMENT DAYS FROM. A file that
# cannot be read whole has a line with TYPE "?".
all_keys() {
  printf '%s\n' "$passwd" | while IFS=: read -r name _ uid _ _ home _; do
    key_files "$name" "$home" "$uid" | sort -u | while read -r file; do
      [ -e "$file" ] || continue
      # Not a pipe, which would wait for ever.
      if ! [ -f "$file" ] || ! [ -r "$file" ] || [ "$(wc -c <"$file")" -gt 1048576 ]; then
        printf '%s\t%s\t0\t?\t-\t-\t-\t-\t-\t-\n' "$name" "$file"; continue
      fi
      changed=$(( ($(date +%s) - $(stat -L -c %Y -- "$file")) / 86400 ))
      key_lines "$file" | while IFS=$tab read -r line type blob options comment; do
        bits=- print=- days=$changed from=file
        if [ "$type" != - ]; then
          said=$(printf '%s %s\n' "$type" "$blob" | ssh-keygen -l -E sha256 -f - 2>/dev/null) || said=
          [ -z "$said" ] || { bits=${said%% *} print=${said#* } print=${print%% *}; }
        fi
        date=$(printf '%s' "$comment" | grep -o '20[0-9][0-9]-[01][0-9]-[0-3][0-9]' | head -n 1)
        if [ -n "$date" ] && since=$(date -d "$date" +%s 2>/dev/null); then days=$((($(date +%s) - since) / 86400)) from=comment; fi
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$file" "$line" "$type" "$bits" "$print" "$options" "$comment" "$days" "$from"
      done
    done
  done
}

# Accounts that matter, a line each, with tabs between: NAME UID SHELL GECOS PASSWORD OVER KEYS OPENS LAST GROUPS SUDO.
all_accounts() {
  key_counts=$(all_keys | awk -F '\t' '$4 != "?" && $4 != "-" { n[$1]++ } END { for (a in n) print a, n[a] }')
  printf '%s\n' "$passwd" | while IFS=: read -r name given uid _ gecos _ shell; do
    state=$(shadow "$name" "$given"); over=${state#* } password=$(printf '%s' "${state%% *}" | tr _ ' ')
    keys=$(printf '%s\n' "$key_counts" | awk -v name="$name" '$1 == name { print $2 }')
    groups=$(id -Gn -- "$name" 2>/dev/null) || groups=
    power=
    for group in $groups; do
      case " $groups_with_power " in *" $group "*) [ "$name" = "$group" ] || power="$power $group" ;; esac
    done
    sudo=$(sudo_of "$name")
    ways=
    case $password in usable* | empty | in-passwd) ways=password ;; unknown) ways=unknown ;; esac
    [ -z "$keys" ] || ways="$ways${ways:+, }key"
    shell_opens "$shell" || ways=
    [ "$over" != expired ] || ways=
    # Those that nobody can use and that have no rights are not the matter.
    [ "$uid" = 0 ] || [ -n "$ways$keys$sudo$power" ] || [ "$password" = empty ] || [ "$password" = in-passwd ] ||
      { [ "$uid" -lt 1000 ] && shell_opens "$shell"; } || { [ "$uid" -ge 1000 ] && [ "$uid" -lt 65000 ]; } || continue
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$uid" "${shell:-/bin/sh}" "$(printf '%s' "${gecos:--}" | tr '\t' ' ')" "$password" "$over" \
      "${keys:-0}" "${ways:--}" "$(last_login "$name" | grep . || echo -)" "${power:--}" "${sudo:--}"
  done
}
dash() { [ "$1" = - ] || printf '%s' "$1"; }

accounts() {
  all_accounts | while IFS=$tab read -r name uid shell gecos password over keys opens last power sudo; do
    text account "$name"
    number uid "$uid"
    text person "$(dash "$gecos")"
    text shell "$shell"
    flag can_log_in "$([ "$opens" = - ] && echo false || echo true)"
    text with "$(dash "$opens")"
    text password "$password"
    text over "$(dash "$over")"
    number keys "$keys"
    text last_login "$(dash "$last")"
    # shellcheck disable=SC2046 # words
    items groups $(dash "$power")
    text sudo "$(dash "${sudo#* }")"
    flag sudo_without_password "$(case $sudo in free*) echo true ;; *) echo false ;; esac)"
    end
  done
}

keys() {
  all_keys | while IFS=$tab read -r name file line type bits print options comment days from; do
    [ "$type" != '?' ] && [ "$type" != - ] || continue
    text account "$name"
    text type "$type"
    number bits "$bits"
    text fingerprint "$(dash "$print")"
    text comment "$(dash "$comment")"
    text options "$(dash "$options")"
    number days "$days"
    # Of the file only its last change is known: the key is at least so old.
    text days_from "$from"
    text file "$file"
    number line "$line"
    end
  done
}

fail=${2-} root=${3-} old=${4-0} idle=${5-0} people=${6-} may=${7-}
# WORD ACCOUNT SENTENCE
found() {
  severity=warn
  case " $fail " in *" $1 "*) severity=fail ;; esac
  text severity "$severity"
  text finding "$1"
  text account "$2"
  text what "$3"
  # For the verdict.
  text line "$severity $1${2:+ $2}: $3"
  end
}

root_logins() {
  case $sshd_asks in
    no) return ;;
    failed) found unknown '' 'sshd -T does not answer: nobody knows whom sshd lets in'; return ;;
  esac
  rule=$(sshd_word permitrootlogin) pub=$(sshd_word pubkeyauthentication)
  typed=no
  case "$(sshd_word passwordauthentication) $(sshd_word kbdinteractiveauthentication)" in *yes*) typed=yes ;; esac
  case "$rule $root" in
    'no '* | *' any') ;;
    'yes '*)
      if [ "$typed" = yes ]; then found root-login root 'sshd lets root log in with a password'
      elif [ "$root" = no ] && [ "$pub" = yes ]; then found root-login root 'sshd lets root log in with a key'; fi ;;
    'prohibit-password no' | 'without-password no') [ "$pub" != yes ] || found root-login root 'sshd lets root log in with a key' ;;
  esac
  case $(sshd_word permitemptypasswords) in yes) found empty-password '' 'sshd lets in who has an empty password' ;; esac
  for way in authorizedkeyscommand trustedusercakeys; do
    case $(sshd_word $way) in
      '' | none) ;;
      *) found elsewhere '' "sshd takes more keys than are listed: $way $(sshd_word $way)" ;;
    esac
  done
  [ "$matches" = no ] || found elsewhere '' 'sshd has Match blocks: from other addresses other rules may hold'
}

findings() {
  root_logins
  if command -v sudo >/dev/null; then
    wrong=$(visudo -c 2>&1) || found unknown '' "sudoers has mistakes: $(printf '%s' "$wrong" | head -n 1)"
  fi
  [ ! -e /etc/doas.conf ] || found elsewhere '' "doas gives rights too: $(grep -c '^[[:space:]]*permit' /etc/doas.conf) rules in /etc/doas.conf"
  all_accounts | while IFS=$tab read -r name uid shell _ password over keys opens last power sudo; do
    if [ "$uid" = 0 ] && [ "$name" != root ]; then found uid-0 "$name" 'it has the uid 0: it is root under another name'; fi
    case $password in
      empty) found empty-password "$name" 'its password is empty' ;;
      in-passwd) found weak-password "$name" 'its password lies in /etc/passwd, which everybody reads' ;;
      usable,*) found weak-password "$name" "its password is kept as ${password#usable, }, which can be found out" ;;
      unknown) found unknown "$name" 'the state of its password is not to be had here' ;;
    esac
    case $sudo in free*) [ "$uid" = 0 ] || found sudo-without-password "$name" "sudo asks for no password: ${sudo#free }" ;; esac
    if [ "$password" = locked ] && [ "$opens" != - ]; then found locked-with-keys "$name" "its password is locked, and $keys of its keys still open it"; fi
    if [ "$keys" != 0 ] && [ "$opens" = - ]; then
      if [ "$over" = expired ]; then found left-over "$name" 'it is expired and still has keys'
      else found left-over "$name" "its shell $shell lets nobody in, and its keys still may open tunnels"; fi
    fi
    if [ "$over" = expired ] && [ "$sudo$power" != -- ]; then found left-over "$name" 'it is expired and still has rights'; fi
    if [ "$uid" -lt 1000 ] && [ "$uid" != 0 ] && [ "$opens" != - ]; then found system-account "$name" "an account of the system can log in ($opens)"; fi
    for group in $power; do
      case $group in
        docker | lxd | disk | libvirt) [ "$uid" = 0 ] || found root-by-group "$name" "whoever is in the group $group can become root" ;;
      esac
    done
    if [ -n "$people" ] && [ "$opens" != - ]; then
      case " $people " in *" $name "*) ;; *) found not-allowed "$name" "it can log in ($opens) and is in no list of those that may" ;; esac
    fi
    case $last in
      [0-9]*) days=$((($(date +%s) - $(date -d "$last" +%s)) / 86400))
        if [ "$opens" != - ] && [ "$idle" != 0 ] && [ "$days" -gt "$idle" ]; then found idle "$name" "nobody logged in for $days days"; fi ;;
    esac
  done
  told=
  all_keys | while IFS=$tab read -r name file line type bits print options comment days from; do
    case $type in
      '?') found unknown "$name" "$file cannot be read as a list of keys"; continue ;;
      # A file that is something else has many.
      -) [ "$told" = "$name $file" ] || found unknown "$name" "line $line of $file is no key, perhaps others too"; told="$name $file"; continue ;;
    esac
    key="the key \"$comment\" ($print)"
    case $type in
      ssh-dss*) found weak-key "$name" "$key is of the weak kind ssh-dss" ;;
      ssh-rsa*)
        case $bits in
          -) ;;
          *) [ "$bits" -ge 2048 ] || found weak-key "$name" "$key has $bits bits only" ;;
        esac ;;
    esac
    [ "$print" != - ] || found unknown "$name" "line $line of $file: nobody here can tell what key that is (ssh-keygen)"
    if [ "$old" != 0 ] && [ "$days" -gt "$old" ]; then found old-key "$name" "$key is $([ "$from" = file ] && echo 'at least ')$days days old"; fi
    if [ -n "$may" ]; then
      printf '%s\n' "$may" | grep -q -x -F -e "$comment" -e "$print" || found stranger-key "$name" "$key is in no list of keys that may be there"
    fi
  done
}

case ${1-} in
  accounts | keys | findings) ;;
  *) die "usage: access.sh accounts|keys|findings ...|verdict" ;;
esac
said=$("$1") || exit 1
printf '%s\n\n' "$said" | rows
