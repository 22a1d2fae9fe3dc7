#!/bin/sh
# The list of everything in a folder, made when its backup is taken; and whether what came back is the same.
#
#   tree.sh manifest FOLDER           prints the list of FOLDER: on the source, when the backup is taken
#   tree.sh read LIST                 LIST can be read and names files; prints whose it is: the machine id of its source, or `none`
#   tree.sh compare FOLDER LIST       FOLDER holds what LIST names, as it was, and nothing else
#   tree.sh moment FOLDER LIST        the moment that the data is of: when LIST was made; of a plain list the newest file's
#
# Of each entry the kind, the mode, the owner by number, of files the digest, of links where they lead to; which names are one file;
# and where getfattr is installed also file capabilities, ACLs and the attributes of users. Sockets are left out: no backup has them.
# A plain list as sha256sum prints it does as well; then only digests and names are compared.
#
# It needs GNU find and coreutils. A line break in a name is held as the byte 1.
set -u
LC_ALL=C; export LC_ALL
umask 077
what=${1:-}
[ $# = 0 ] || shift

die() { printf '%s\n' "$*" >&2; exit 1; }
first='# pitstop tree 1'
attributes='^(user[.]|security[.]capability$|system[.]posix_acl_)'

tmp=$(mktemp -d) || die "there is no place for temporary files"
trap 'rm -rf -- "$tmp"' EXIT
lines() { tr '\n\0' '\001\n'; }

# Everything in the folder, a line each, into $tmp/list. XATTRS: yes or no.
list() { # FOLDER XATTRS
  cd -- "$1" || die "there is no folder $1"
  find . -type f -print0 >"$tmp/files" && find . ! -type s -printf '%y %m %U:%G %i %n %p\0' >"$tmp/all" &&
    find . -type l -printf '%p -> %l\0' >"$tmp/links" || die "$1 cannot be read as a whole"
  xargs -0 -r sha256sum --zero -- <"$tmp/files" >"$tmp/sums" || die "not every file of $1 can be read"
  for part in all links sums; do lines <"$tmp/$part" | sort >"$tmp/$part.lines"; done
  {
    awk -v sums="$tmp/sums.lines" '
      BEGIN { while ((getline line < sums) > 0) sum[substr(line, 67)] = substr(line, 1, 64) }
      {
        path = $0
        for (i = 1; i <= 5; i++) sub(/^[^ ]* /, "", path)
        if ($1 != "l") print $1, $2, $3, ($1 == "f" ? sum[path] : "-"), path
        else print $1, $2, $3, "-", path
        if ($1 == "f" && $5 > 1) print $4, path >names
      }' names="$tmp/names" "$tmp/all.lines"
    # Names of one file: the first of them, and each other.
    [ ! -e "$tmp/names" ] || sort -k1,1 -k2 "$tmp/names" | awk '
      { path = $0; sub(/^[^ ]* /, "", path) }
      $1 == inode { print "h " of " = " path; next }
      { inode = $1; of = path }'
    sed 's/^/t /' "$tmp/links.lines"
    [ "$2" = no ] || getfattr -R -P -h -d -m "$attributes" -e hex . 2>/dev/null |
      awk '/^# file: / { file = substr($0, 9); next } /=/ { print "x " file ": " $0 }' | sort
  } >"$tmp/list"
}

is_ours() { [ "$(head -n 1 -- "$1")" = "$first" ]; }
told() { sed -n "s/^# $1 //p" "$2" | head -n 1; }

# The list can be used.
examine() { # LIST
  case $1 in /*) ;; *) die "$1 is no path from the root" ;; esac
  [ -r "$1" ] || die "there is no list $1 of what was backed up, or it cannot be read"
  if is_ours "$1"; then
    grep -q '^f ' "$1" || die "the list $1 names no file: nothing could be compared"
    [ "$(tail -n 1 -- "$1")" = "# end $(grep -vc '^#' "$1")" ] || die "the list $1 is not whole: its end is missing"
    [ "$(told xattrs "$1")" = no ] || command -v getfattr >/dev/null ||
      die "the list $1 has attributes of files, and getfattr is not installed here (Debian: attr)"
  else
    [ -s "$1" ] || die "the list $1 is empty: nothing could be compared"
    ! grep -Evq '^\\?[0-9a-f]{64} [ *]' "$1" || die "$1 is neither a list of tree.sh nor one of sha256sum"
  fi
}

# The differences, what is missing first; at most five of them in a sentence, and how many there are.
judge() { # DIFFERENCES
  [ -s "$1" ] || return 0
  sed -e 's/^missing/1&/' -e 's/^not in/2&/' -e 's/^another/3&/' -e 's/^[^1-3]/4&/' "$1" | sort | cut -c 2- >"$1.sorted"
  set -- "$1.sorted"
  cat -- "$1"
  awk '{ n++; if (n <= 5) said = said (n > 1 ? "; " : "") $0 } END { print n (n > 1 ? " differences: " : " difference: ") said }' "$1" >&2
  exit 1
}

case $what in
  manifest)
    xattrs=no
    ! command -v getfattr >/dev/null || xattrs=yes
    taken=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    list "$1" $xattrs
    printf '%s\n# taken %s\n# source %s\n# xattrs %s\n' "$first" "$taken" "$(cat /etc/machine-id 2>/dev/null || echo none)" $xattrs
    cat "$tmp/list"
    echo "# end $(wc -l <"$tmp/list")"
    ;;
  read)
    examine "$1"
    if is_ours "$1"; then
      said=$(told source "$1")
      echo "${said:-none}"
    else
      echo none
    fi
    ;;
  compare)
    examine "$2"
    if is_ours "$2"; then
      list "$1" "$(told xattrs "$2")"
      awk '
        function read_line(line,  i) { # kind, mode, owner, digest, path
          kind = substr(line, 1, 1)
          for (i = 2; i <= 4; i++) { line = substr(line, index(line, " ") + 1); field[i] = substr(line, 1, index(line, " ") - 1) }
          path = substr(line, index(line, " ") + 1)
        }
        /^#/ { next }
        /^[htx] / { if (FNR == NR) extra[$0] = 1; else if ($0 in extra) delete extra[$0]; else more[$0] = 1; next }
        FNR == NR { read_line($0); k[path] = kind; m[path] = field[2]; o[path] = field[3]; d[path] = field[4]; next }
        {
          read_line($0)
          if (!(path in k)) { print "not in the list: " path; next }
          if (k[path] != kind) print "another kind (" k[path] ", now " kind "): " path
          else if (d[path] != field[4]) print "another content: " path
          if (m[path] != field[2] && k[path] == kind) print "mode " m[path] ", now " field[2] ": " path
          if (o[path] != field[3]) print "owner " o[path] ", now " field[3] ": " path
          delete k[path]
        }
        END {
          for (path in k) print "missing: " path
          words["h"] = "no longer one file"; words["t"] = "another link than"; words["x"] = "attribute missing"
          for (line in extra) print words[substr(line, 1, 1)] ": " substr(line, 3)
          words["h"] = "one file now"; words["t"] = "link now"; words["x"] = "attribute now"
          for (line in more) print words[substr(line, 1, 1)] ": " substr(line, 3)
        }' "$2" "$tmp/list" >"$tmp/differences"
      judge "$tmp/differences"
      echo "$(grep -c '^f ' "$2") files and $(grep -vc '^[#fhtx]' "$2") other entries are as they were"
    else
      cd -- "$1" || die "there is no folder $1"
      sha256sum --check --quiet -- "$2" 2>/dev/null | sed 's/: FAILED open or read$/: missing/; s/: FAILED$/: another content/' |
        sed 's/^\(.*\): \(missing\|another content\)$/\2: \1/' >"$tmp/differences"
      find . -type f | awk '
        NR == FNR { sub(/^[0-9a-f]+ [ *]/, ""); if ($0 !~ /^\.\//) $0 = "./" $0; listed[$0] = 1; next }
        !($0 in listed) { print "not in the list: " $0 }' "$2" - >>"$tmp/differences"
      judge "$tmp/differences"
      sha256sum --check --status -- "$2" || die "sha256sum cannot check the list $2"
      echo "$(wc -l <"$2") files are as they were"
    fi
    ;;
  moment)
    examine "$2"
    if is_ours "$2"; then
      taken=$(told taken "$2")
      [ -n "$taken" ] || die "the list $2 does not say when it was made"
      echo "$taken"
    else
      newest=$(find "$1" -type f -printf '%T@\n' | sort -n | tail -n 1)
      [ -n "$newest" ] || die "no file came back"
      date -u -d "@${newest%.*}" +%Y-%m-%dT%H:%M:%SZ
    fi
    ;;
  *) die "tree.sh does not know $what" ;;
esac
