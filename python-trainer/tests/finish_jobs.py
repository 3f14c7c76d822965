"""Carries out jobs one after the other, for the TypeScript tests: `python tests/finish_jobs.py JOB.json...`

torch is imported once, not once a job; otherwise each job has a process of its own, as on the command line.
"""

import sys
from pathlib import Path

from support import finish

if __name__ == "__main__":
    for job_path in sys.argv[1:]:
        finish(Path(job_path))
