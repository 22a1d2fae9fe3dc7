# The hosts' side of the crash drive: each change notes its beginning and its end under the step's key, and says aloud when it
# is called where it must not be. What a host is to do wrong lies in files: fail-NAME, bad, always-bad.

note() { echo "$PITSTOP_STEP_KEY $1" >>"$HOME/effects"; }

step() {
  note begin
  case $1 in
    a | b | un_a | un_b | noted) [ -e "$HOME/out" ] || note LIVE ;;
  esac
  case $1 in
    un_a) [ ! -e "$HOME/b" ] || note ORDER ;;
    tidy) [ -e "$HOME/tidied" ] && note TWICE ;;
  esac
  sleep "$(cat "$HOME/pause")"
  case $1 in
    out) : >"$HOME/out" ;;
    in) rm -f "$HOME/out" ;;
    a | b | c) : >"$HOME/$1" ;;
    un_a | un_b | un_c) [ -e "$HOME/fail-$1" ] || rm -f "$HOME/${1#un_}" ;;
    tidy) : >"$HOME/tidied" ;;
  esac
  echo "said by $1"
  if [ -e "$HOME/fail-$1" ]; then
    note failed
    exit 7
  fi
  note end
}

good() { # rolling back?
  if [ "$1" = true ]; then
    [ ! -e "$HOME/a" ] && [ ! -e "$HOME/b" ] && [ ! -e "$HOME/always-bad" ]
  else
    [ -e "$HOME/a" ] && [ -e "$HOME/b" ] && [ ! -e "$HOME/bad" ] && [ ! -e "$HOME/always-bad" ]
  fi
}

good_c() { # rolling back?
  if [ "$1" = true ]; then [ ! -e "$HOME/c" ]; else [ -e "$HOME/c" ]; fi
}
