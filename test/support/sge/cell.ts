/** The configuration of a cell of Grid Engine for tests: everything as soon as it can be. */

export const PARALLEL_ENVIRONMENT = `pe_name            smp
slots              999
user_lists         NONE
xuser_lists        NONE
start_proc_args    NONE
stop_proc_args     NONE
allocation_rule    $pe_slots
control_slaves     TRUE
job_is_first_task  TRUE
urgency_slots      min
accounting_summary FALSE
qsort_args         NONE
`;

/** Changes of one line each; keys are what the line begins with. */
function change(text: string, lines: Readonly<Record<string, string>>): string {
  return text.replaceAll(/^(\w+)( +).*$/gm, (line, name: string, space: string) =>
    Object.hasOwn(lines, name) ? `${name}${space}${lines[name]}` : line,
  );
}

/** Of the template that `qconf -sq` prints. Load thresholds would keep jobs from a busy machine. */
export function queueOf(template: string, slots: number): string {
  return change(template, {
    qname: "all.q",
    hostlist: "@allhosts",
    slots: String(slots),
    load_thresholds: "NONE",
    pe_list: "smp",
    shell: "/bin/csh",
    notify: "00:00:03",
  });
}

export const settingsOf = {
  scheduler: (text: string) =>
    change(text, { schedule_interval: "0:0:1", flush_submit_sec: "1", flush_finish_sec: "1" }),
  /** Jobs of root, as tests run as root. */
  global: (text: string, dir: string) =>
    change(text, {
      execd_spool_dir: `${dir}/spool/exec`,
      min_uid: "0",
      min_gid: "0",
      reporting_params:
        "accounting=true reporting=false accounting_flush_time=00:00:00 flush_time=00:00:15 joblog=false sharelog=00:00:00",
    }),
};
