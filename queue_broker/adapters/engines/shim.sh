# The usage shim: put around a task's command, on any image with /bin/sh (dash, bash, busybox).
# It maps the array index, runs the command, forwards signals and the exit code, reports the use.
# Its variables start with hg_, so that none of the command's own is touched.

# 1. Child k of a partly leaked array is the k-th task of HEADGATE_TASKS, such as 0-4,9.
if [ -n "${HEADGATE_TASKS-}" ]; then
  hg_k=${AWS_BATCH_JOB_ARRAY_INDEX:-0} hg_rest=$HEADGATE_TASKS,
  while [ -n "$hg_rest" ]; do
    hg_range=${hg_rest%%,*} hg_rest=${hg_rest#*,}
    hg_first=${hg_range%-*} hg_n=$((${hg_range#*-} - ${hg_range%-*} + 1))
    [ "$hg_k" -ge "$hg_n" ] || break
    hg_k=$((hg_k - hg_n))
  done
  AWS_BATCH_JOB_ARRAY_INDEX=$((hg_first + hg_k))
  export AWS_BATCH_JOB_ARRAY_INDEX
  unset HEADGATE_TASKS
fi

# 2. On one machine: enter the task's cgroups and folder, and claim the attempt. Whoever makes the
#    file `pid` first has it (set -C is O_EXCL): this shim, or a broker that gave the attempt up.
hg_dir=${HEADGATE_SHIM_DIR-}
if [ -n "$hg_dir" ]; then
  for hg_group in ${HEADGATE_SHIM_CGROUPS-}; do
    echo 0 >"$hg_group/cgroup.procs" || exit 125
  done
  cd "$hg_dir/work" || exit 125
  unset HEADGATE_SHIM_DIR HEADGATE_SHIM_CGROUPS
  hg_started() { shift 19; hg_start=$1; }
  hg_start=0
  if [ -r "/proc/$$/stat" ]; then
    read -r hg_stat <"/proc/$$/stat"
    hg_started ${hg_stat##*) }
  fi
  set -C
  { echo "$$ $hg_start" >"$hg_dir/pid"; } 2>/dev/null || exit 125
  set +C
fi

# 3. Run the command. A child in the background ignores INT and QUIT, so they reach it as TERM.
hg_pid='' hg_signal=''
hg_forward() { hg_signal=$1; [ -z "$hg_pid" ] || kill -s "$1" "$hg_pid" 2>/dev/null; }
trap 'hg_forward TERM' TERM INT QUIT
trap 'hg_forward HUP' HUP
trap 'hg_forward USR1' USR1
trap 'hg_forward USR2' USR2
(exec "$@") &
hg_pid=$!
exec 2>/dev/null # the shell's own remarks ("Killed") are not the command's output
[ -z "$hg_signal" ] || kill -s "$hg_signal" "$hg_pid"
# A forwarded signal ends `wait` early; a child that can still be signalled is waited for again.
while :; do
  hg_signal=''
  wait "$hg_pid"
  hg_code=$?
  [ -n "$hg_signal" ] && kill -0 "$hg_pid" || break
done

# 4. Report: to the attempt's folder, or as one line in the container's log.
if [ -n "$hg_dir" ]; then
  { echo "$hg_code"; times; echo end; } >"$hg_dir/result"
fi
exit "$hg_code"
