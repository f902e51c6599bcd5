# Trains one run inside a Slurm job and asks for a requeue when that helps; sourced by train.sbatch and array.sbatch.
#
# run_and_requeue CONFIG [path=value...] returns the exit code of the run:
#   0     done
#   75    stopped after saving (time limit, preemption): the job is requeued, unless RUN/STOP asked for the stop
#   6, 7, 137 and other signals
#         a rank, its node or its memory was lost: requeued if a checkpoint was written since the job began, so that a
#         fault which always comes back does not requeue for ever
#   other a mistake in the config or data, a full disk, a diverged run: nothing that another try would mend
#
# INGOT is the program, by default build/ingot of the folder in which sbatch was called.

INGOT=${INGOT:-${SLURM_SUBMIT_DIR:-.}/build/ingot}

# A preempted job's shell gets SIGTERM as well; it must live on to see how its run ended.
trap : TERM

# By it the ranks know each other, and nobody else, whether or not they share a file system.
if [[ -z ${INGOT_SECRET:-} ]]; then
  INGOT_SECRET=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  export INGOT_SECRET
fi

newest_checkpoint() { ls -d "$1"/checkpoints/step-* 2>/dev/null | sort | tail -n 1; }

requeue() {
  echo "requeue: $1" >&2
  scontrol requeue "$SLURM_JOB_ID"
}

run_and_requeue() {
  local run before after code=0
  run=$("$INGOT" config show "$1" --field run.dir ${2:+--set "${@:2}"}) || return
  before=$(newest_checkpoint "$run")
  # A rank that ends must not take the others with it: they may be saving, and they notice a death by themselves.
  srun --kill-on-bad-exit=0 --wait=0 "$INGOT" train "$@" || code=$?
  if ((code == 75)); then
    if [[ -e $run/STOP ]]; then
      echo "stopped by $run/STOP: not requeued" >&2
    else
      requeue "stopped after saving"
    fi
  elif ((code == 6 || code == 7 || code > 128)); then
    after=$(newest_checkpoint "$run")
    if [[ $after != "$before" ]]; then
      requeue "exit code $code after $after"
    else
      echo "exit code $code without a new checkpoint: not requeued" >&2
    fi
  fi
  return "$code"
}
