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

#    Batch counts the tasks of a part, and each of the broker's attempts as the first.
if [ -n "${HEADGATE_ARRAY_SIZE-}" ]; then
  AWS_BATCH_JOB_ARRAY_SIZE=$HEADGATE_ARRAY_SIZE
  export AWS_BATCH_JOB_ARRAY_SIZE
fi
if [ -n "${HEADGATE_ATTEMPT-}" ]; then
  AWS_BATCH_JOB_ATTEMPT=$HEADGATE_ATTEMPT
  export AWS_BATCH_JOB_ATTEMPT
fi
unset HEADGATE_ARRAY_SIZE HEADGATE_ATTEMPT

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
    hg_started ${hg_stat##*\) }
  fi
  set -C
  { echo "$$ $hg_start" >"$hg_dir/pid"; } 2>/dev/null || exit 125
  set +C
fi

# 3. In a container: watch it. The kernel's peak counts the file cache, which is charged and not
#    needed. So the cache is taken off each new peak, as it was about then: at the end a task that
#    wrote its results has more of it, and one that removed its scratch files less. The watcher
#    reports by itself when it is told to end.
hg_value() { # the first word of a file that can be read, or null: hg_value FILE...
  hg_v=null
  for hg_file; do [ -r "$hg_file" ] && read -r hg_v <"$hg_file" && return; done
}
hg_sys=${HEADGATE_SHIM_SYS:-/sys/fs/cgroup}
hg_v1=$hg_sys/memory
hg_needed=0 hg_top=0 hg_before=0 hg_memory=0 hg_busy=0 hg_looks=0
hg_more() { [ "$1" -le "$hg_needed" ] || hg_needed=$1; }
hg_look() {
  hg_value "$hg_sys/memory.peak" "$hg_v1/memory.max_usage_in_bytes"
  [ "$hg_v" != null ] || return
  hg_anon=0 hg_cache=0 hg_shared=0 hg_mapped=0
  for hg_file in "$hg_sys/memory.stat" "$hg_v1/memory.stat"; do
    [ -r "$hg_file" ] || continue
    while read -r hg_word hg_number; do
      case $hg_word in
        anon | total_rss) hg_anon=$hg_number ;;
        file | total_cache) hg_cache=$hg_number ;;
        shmem | total_shmem) hg_shared=$hg_number ;;
        file_mapped | total_mapped_file) hg_mapped=$hg_number ;;
      esac
    done <"$hg_file"
  done
  hg_mapped=$((hg_mapped > hg_shared ? hg_mapped - hg_shared : 0))
  [ "$hg_mapped" -le 536870912 ] || hg_mapped=536870912
  hg_more $((hg_anon + hg_shared + hg_mapped))
  hg_cache=$((hg_cache - hg_shared - hg_mapped))
  if [ "$hg_v" -gt "$hg_top" ]; then
    hg_more $((hg_v - (hg_cache > hg_before ? hg_cache : hg_before)))
    hg_top=$hg_v
  fi
  hg_before=$hg_cache
}
hg_look_at_gpus() {
  while IFS=', ' read -r hg_used hg_percent; do
    case $hg_used$hg_percent in '' | *[!0-9]*) continue ;; esac
    [ "$hg_used" -le "$hg_memory" ] || hg_memory=$hg_used
    hg_busy=$((hg_busy + hg_percent)) hg_looks=$((hg_looks + 1))
  done <<HG_GPUS
$(nvidia-smi --query-gpu=memory.used,utilization.gpu --format=csv,noheader,nounits 2>/dev/null)
HG_GPUS
}
hg_say() {
  printf '\nHEADGATE_USAGE {"needed_bytes":%s,"gpu_mib":%s,"gpu_busy":%s,"gpu_looks":%s}\n' \
    "$hg_needed" "$hg_memory" "$hg_busy" "$hg_looks"
}
hg_watch() {
  hg_sleep=''
  trap 'hg_look; hg_say; kill $hg_sleep 2>/dev/null; exit 0' TERM
  while :; do
    hg_look
    [ -z "$hg_gpus" ] || hg_look_at_gpus
    sleep 1 >/dev/null 2>&1 &
    hg_sleep=$!
    wait "$hg_sleep"
    [ $? -ne 127 ] || exit 127 # an image without sleep
  done
}
hg_watcher=''
if [ -z "$hg_dir" ]; then
  hg_gpus=$(command -v nvidia-smi)
  hg_look
  if [ "$hg_needed$hg_gpus" != 0 ]; then
    hg_watch &
    hg_watcher=$!
  fi
fi

# 4. Run the command. A child in the background ignores INT and QUIT, so they reach it as TERM.
hg_pid='' hg_signal=''
hg_forward() { hg_signal=$1; [ -z "$hg_pid" ] || kill -s "$1" "$hg_pid"; }
trap 'hg_forward TERM' TERM INT QUIT
trap 'hg_forward HUP' HUP
trap 'hg_forward USR1' USR1
trap 'hg_forward USR2' USR2
exec 9>&2 2>/dev/null # the shell's own remarks ("Killed") are not the command's output
(exec 2>&9 9>&- && exec "$@") &
hg_pid=$!
[ -z "$hg_signal" ] || kill -s "$hg_signal" "$hg_pid"
# A forwarded signal ends `wait` early; a child that can still be signalled is waited for again.
while :; do
  hg_signal=''
  wait "$hg_pid"
  hg_code=$?
  [ -n "$hg_signal" ] && kill -0 "$hg_pid" || break
done

# 5. Report: to the attempt's folder, or as a line of JSON in the container's log. A line begins
#    with a line break of its own, since the command's last words may have none.
if [ -n "$hg_dir" ]; then
  { echo "$hg_code"; times; echo end; } >"$hg_dir/result"
  exit "$hg_code"
fi
hg_entry() { # the number beside a name in the first file that can be read: hg_entry NAME FILE...
  hg_v=null hg_name=$1
  shift
  for hg_file; do
    [ -r "$hg_file" ] || continue
    while read -r hg_word hg_number; do
      [ "$hg_word" != "$hg_name" ] || hg_v=$hg_number
    done <"$hg_file"
    return
  done
}
hg_look
if [ -n "$hg_watcher" ]; then # it may be gone, or not yet have known how to report
  kill "$hg_watcher"
  wait "$hg_watcher" || hg_say
fi
if [ "$hg_needed" = 0 ] && [ -n "${ECS_CONTAINER_METADATA_URI_V4-}" ]; then # ECS may know the peak
  hg_url=$ECS_CONTAINER_METADATA_URI_V4/task/stats
  hg_stats=$( { curl -fsS -m 5 "$hg_url" || wget -T 5 -qO- "$hg_url"; } 2>/dev/null)
  case $hg_stats in '{'*) printf '\nHEADGATE_USAGE {"ecs":%s}\n' "$hg_stats" ;; esac
fi
hg_entry oom_kill "$hg_sys/memory.events" "$hg_v1/memory.oom_control"
hg_line='"oom_kills":'$hg_v
hg_entry usage_usec "$hg_sys/cpu.stat"
hg_line=$hg_line',"cpu_us":'$hg_v
hg_value "$hg_sys/cpuacct/cpuacct.usage" "$hg_sys/cpu,cpuacct/cpuacct.usage"
hg_line=$hg_line',"cpu_ns":'$hg_v',"job":"'${AWS_BATCH_JOB_ID-}'"'
printf '\nHEADGATE_USAGE {"exit_code":%s,%s}\n' "$hg_code" "$hg_line"
exit "$hg_code"
