# The far half of the latched step, sent once down the standard input of a lane (see latch.rs for the protocol).
# Only `echo` of safe words; no here-documents (cut short they would run); `set -C` stays on: every > is O_EXCL.

# RUNNER of one step, in a session of its own. Expects _c command, _f file stem, _b boot, _u umask.
# The O_EXCL record is the latch; the fence is looked at after it; the end is a line appended to it.
_R='trap : HUP INT QUIT TERM
_nl="
"
set -C; _t=0
read -r _x 2>/dev/null </proc/$$/stat && { _x=${_x##*\) }; set -- $_x; _t=${20}; }
{ echo "C $_b $$ $_t" >"$_f.s"; } 2>/dev/null || exit 3
[ -e "$_f.n" ] && { echo "E n" >>"$_f.s"; exit 3; }
( set +C; umask "$_u"; _x=${_f%/*}; PITSTOP_LATCH=${_x##*/}.${_f##*/}; export PITSTOP_LATCH
eval "set --; unset _nl _x _t _b _u _f _c$_nl$_c" )
_e=$?; echo "E $_e" >>"$_f.s" || exit 3
exit $_e'

# SESSION: the words that start a program in a session of its own; none where the host cannot. No word has a blank or a glob in it.
_sid() {
  if command -v setsid; then _sid=setsid
  elif busybox setsid true; then _sid='busybox setsid'
  elif perl -MPOSIX -e 1; then _sid='perl -MPOSIX -e POSIX::setsid();exec(@ARGV)'
  else _sid=; fi >/dev/null 2>&1
}

# OPEN: a directory that is ours and no link. Says whether it was made now: then nothing in it can prove that a step never began.
_open() { # nonce shell run (none: the run has left)
  trap : HUP INT QUIT TERM
  IFS=' 	
'; _sh=$2; _d=
  # One subshell tells both: the umask, and whether subshells are processes.
  _u=$(umask; _x=; read -r _x 2>/dev/null </proc/self/stat; echo "${_x%% *}"); _w=${_u#*"
"}; _u=${_u%%"
"*}; umask 077
  _b=-; read -r _b 2>/dev/null </proc/sys/kernel/random/boot_id
  _sid
  [ "$_sid" ] || { echo "$1 L none $_b no-setsid"; return; }
  [ "$3" ] || { echo "$1 L none $_b left"; return; }
  _y=old
  # Each place twice: another run that ends may take the empty upper directory away in between.
  for _x in "${HOME:-/}/.pitstop" "${HOME:-/}/.pitstop" "" ""; do
    [ "$_x" ] || _x=/var/tmp/.pitstop-$(id -u)
    # Both at once; if another run was faster with the first, the second is made anew, so that it is known to be new.
    [ -e "$_x" ] || [ -h "$_x" ] || { mkdir "$_x" "$_x/$3" && _y=new || rmdir "$_x/$3"; } 2>/dev/null
    if [ -d "$_x" ] && [ ! -h "$_x" ] && [ -O "$_x" ] && [ -w "$_x" ]; then
      [ $_y = new ] || { mkdir "$_x/$3" && _y=new; } 2>/dev/null
      if [ -d "$_x/$3" ] && [ ! -h "$_x/$3" ] && [ -O "$_x/$3" ] && [ -w "$_x/$3" ]; then _d=$_x/$3; break; fi
    fi
  done
  [ "$_d" ] || { echo "$1 L none $_b no-place"; return; }
  # A lane that leads a session and whose subshells are processes can run by itself what changes nothing: everything of it is found.
  _l=-; read -r _x 2>/dev/null </proc/$$/stat && { _x=${_x##*\) }; set -- "$1" $_x; [ "$5" = $$ ] && _l=$$/${21}; }
  [ "$_w" ] && [ "$_w" != $$ ] || _l=-
  set -C
  echo "$1 L $_y $_b $_l $_d"
}

# STEP: the only place where a command starts. The last word proves that the line came whole. Do not call it in a tested context.
_s() { # nonce key command nonce
  [ "$4" = "$1" ] || { echo "$1 O"; echo "$1 E frame"; return; }
  _f=$_d/$2
  _c=$3 _f=$_f _b=$_b _u=$_u $_sid $_sh -c "$_R" </dev/null >"$_f.o" 2>"$_f.e"
  _e=$?; [ $_e = 0 ] || { _e=; while read -r _x _y; do case $_x in E) _e=$_y ;; esac; done 2>/dev/null <"$_f.s"; }
  _said "$1"
}
# The ANSWER of both: the beginning of each stream, and the status.
_said() { # nonce
  # In one write, where a step says nothing: each wakes the server and us.
  [ -s "$_f.o" ] || [ -s "$_f.e" ] || { echo "$1 O
$1 E ${_e:-?}"; return; }
  [ -s "$_f.o" ] && dd if="$_f.o" bs=65536 count=1 2>/dev/null
  echo "$1 O"
  [ -s "$_f.e" ] && dd if="$_f.e" bs=65536 count=1 2>/dev/null
  echo "$1 E ${_e:-?}"
}

# READ: a step that changes nothing, in the lane itself, without a record and without a session of its own. Of several sent
# together each after the first runs only if the one before ended with 0, the fence does not stand, and somebody still listens.
_r() { # nonce key command nonce [fence, but for the first]
  [ "$4" = "$1" ] || { _e=; echo "$1 O"; echo "$1 E frame"; return; }
  [ -z "$5" ] || { [ "$_e" = 0 ] && [ ! -e "$_d/$5.n" ] && [ -d "/proc/$PPID" ]; } || { _e=; echo "$1 O"; echo "$1 E not"; return; }
  _f=$_d/$2
  ( set +C; umask "$_u"; PITSTOP_LATCH=${_d##*/}.$2; export PITSTOP_LATCH
  eval "set --; unset _x _y _z _w _n _e _l _u _b _d _f _c _kb _kp _kt _sh _sid _R
$3" ) </dev/null >"$_f.o" 2>"$_f.e"
  _e=$?; [ -e "$_f.e" ] || _e=
  _said "$1"
}

# STREAM: a step that changes nothing, whose stdout lies nowhere: it waits until somebody asks for the next piece. Where nobody can
# any more, or nobody wants to, the pipe breaks. The status comes out of the pipeline by a descriptor of its own.
_b() { # nonce key command nonce
  [ "$4" = "$1" ] || { _e=; echo "$1 B"; echo "$1 O"; echo "$1 E frame"; return; }
  _f=$_d/$2; _y=iflag=fullblock; dd $_y count=0 </dev/null >/dev/null 2>&1 || _y=
  echo "$1 B"
  { _e=$(
    { { ( set +C; umask "$_u"; PITSTOP_LATCH=${_d##*/}.$2; export PITSTOP_LATCH; _c=$3
      eval "set --; unset _x _y _z _w _n _e _l _u _b _d _f _kb _kp _kt _sh _sid _R _c
$_c" ) </dev/null 2>"$_f.e" 3<&- 4>&- 5>&-; echo $? >&4; } |
    while read -r _x <&3 && [ "$_x" = "$1" ]; do dd $_y bs=65536 count=14 2>/dev/null; echo "$1 G"; done >&5; } 4>&1
  ); } 3<&0 5>&1
  [ -e "$_f.e" ] || _e=
  _said "$1"
}

# PULL blocks of one stream; SIZES of both.
_g() { dd if="$_d/$2.$3" bs=65536 skip="$4" count="$5" 2>/dev/null; echo "$1 G"; } # nonce key o|e skip count
_w() { _x=$(wc -c 2>/dev/null <"$_d/$2.o"); _y=$(wc -c 2>/dev/null <"$_d/$2.e"); echo "$1 W" ${_x:-0} ${_y:-0}; } # nonce key

# STATE of a pid, printed into _x: its start time, or - if it is gone or a zombie (which still answers kill -0).
_st() {
  _x=; read -r _x 2>/dev/null <"/proc/$1/stat"; _x=${_x##*\) }; set -- $_x
  case $1 in [ZX]*) _x=- ;; *) _x=${20:--} ;; esac
}
# The RECORD, read again.
_p() {
  _e= _n= _kb= _kp= _kt=
  while read -r _x _y _z _w; do case $_x in
    C) _kb=$_y _kp=$_z _kt=$_w ;; E) _e=$_y ;; N) _n=1 ;; esac; done 2>/dev/null <"$_f.s"
}
# What LIVES of a step: its session ($_kp), but for the lane that leads it, and whatever carries its name in the environment.
_left() { # key lane
  [ "$_kp" ] || return 0
  if [ -r /proc/self/stat ]; then
    for _x in $(grep -ls "^[0-9]* (.*) [^ZX] [0-9]* [0-9]* $_kp " /proc/[0-9]*/stat; grep -lszx "PITSTOP_LATCH=${_d##*/}.$1" /proc/[0-9]*/environ); do
      _x=${_x#/proc/}; _x=${_x%/*}; [ "$_x" = "$2" ] || echo "$_x"
    done
  else kill -0 "-$_kp" 2>/dev/null && echo "-$_kp"; fi
}

# PROBE: poisons what never began, fences what has an empty claim.
_q() { # nonce key boot
  _f=$_d/$2
  [ "$3" = "$_b" ] || { _p; case $_e in ''|n) ;; *) echo "$1 Q DONE $_e"; return ;; esac; echo "$1 Q LOST-REBOOT"; return; }
  { echo N >"$_f.s"; } 2>/dev/null && { echo "$1 Q NEVER"; return; }
  _p
  [ "$_kb$_n" ] || { { echo >"$_f.n"; } 2>/dev/null; _p; }
  case $_e in '') ;; n) echo "$1 Q NEVER"; return ;; *) echo "$1 Q DONE $_e"; return ;; esac
  [ "$_n" ] && { echo "$1 Q NEVER"; return; }
  [ -s "$_f.s" ] || [ -e "$_f.s" ] || { echo "$1 Q NOACCESS"; return; }
  [ "$_kb" ] || { if [ -e "$_f.n" ]; then echo "$1 Q CLAIMED"; else echo "$1 Q NOACCESS"; fi; return; }
  [ "$_kb" = "$_b" ] || { echo "$1 Q LOST-REBOOT"; return; }
  _st "$_kp"
  if [ "$_x" = "$_kt" ]; then echo "$1 Q RUNNING"; return; fi
  _p; [ "$_e" ] && { echo "$1 Q DONE $_e"; return; }
  if [ "$(_left "$2")" ]; then echo "$1 Q ORPHAN"; return; fi
  echo "$1 Q LOST-DIED"
}

# STOP: signal 0 only looks. `ended`: it had ended by itself before the first signal, what it left behind is not ours to end.
# Of a step without a record the lane is told that runs it, by its process and when that began, and the fence of those behind it.
_k() { # nonce key signal lane began fence
  [ "$6" ] && { echo >"$_d/$6.n"; } 2>/dev/null
  _f=$_d/$2; _p
  [ "$4" ] && { _st "$4"; _kp=-; _kt=; [ "$_x" = "$5" ] && _kp=$4; }
  [ "$3" = TERM ] && [ "$_e" ] && { echo "$1 K ended $_e"; return; }
  if [ "$3" != 0 ]; then
    _st "${_kp:-0}"; [ "$_kt" ] && [ "$_x" = "$_kt" ] && kill "-$3" "-$_kp" 2>/dev/null
    for _y in $(_left "$2" "$4"); do kill "-$3" "$_y"; done 2>/dev/null
  fi
  if [ "$(_left "$2" "$4")" ]; then echo "$1 K alive"; else echo "$1 K none"; fi
}

# Any other text of ours, whole or not at all; its output comes back in the lane.
_x() { # nonce text nonce
  [ "$3" = "$1" ] || { echo "$1 X frame"; return; }
  ( set +C; eval "$2" ) </dev/null 2>&1
  echo "$1 X $?"
}

# ACKNOWLEDGE, and END of the run on this host.
_a() { # nonce keys...
  _y=$1; shift
  for _x do set -- "$@" "$_d/$_x.s" "$_d/$_x.o" "$_d/$_x.e" "$_d/$_x.n" "$_d/$_x.i" "$_d/$_x.x"; shift; done
  rm -f "$@"; echo "$_y A"
}
_z() { rm -rf "${_d:?}"; rmdir "${_d%/*}" 2>/dev/null; if [ -e "$_d" ]; then echo "$1 Z left"; else echo "$1 Z gone"; fi; }

# FACTS: what the host says about itself; a program is started only for what no file says.
_facts() { # nonce user-or-nothing virtual-or-nothing
  ( set +C; _w="
"
  _x=; _y=; read -r _x </proc/sys/kernel/ostype; read -r _y </proc/sys/kernel/osrelease
  _z="os=${_x:-$(uname -s)}${_w}kernel=${_y:-$(uname -r)}${_w}user=${2:-$(id -un)}"
  _x=; read -r _x </etc/machine-id; _z="$_z${_w}machine=$_x"
  for _x in /etc/ssh/ssh_host_*_key.pub; do read -r _y _e _n <"$_x" && _z="$_z${_w}key=$_e"; done
  if [ "$3" ]; then
    _x=; read -r _x </run/systemd/container || _x=$(systemd-detect-virt) || { [ "$_x" ] || { { [ -e /.dockerenv ] || [ -e /run/.containerenv ]; } && _x=container; }; }
    _z="$_z${_w}virtual=$_x"
  fi
  echo "$_z"
  [ -r /etc/os-release ] && { ID= VERSION_ID= ID_LIKE=; . /etc/os-release; echo "distro=$ID${_w}version=$VERSION_ID${_w}like=$ID_LIKE"; }
  ) </dev/null 2>/dev/null
  echo "$1 F"
}
