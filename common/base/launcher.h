/* launcher: whether a launcher of parallel programs, mpirun or srun, started this program, by the environment alone. */
#ifndef CLOZE_BASE_LAUNCHER_H
#define CLOZE_BASE_LAUNCHER_H

#include <stdbool.h>

/* As how many processes the program was started: Open MPI's mpirun says so in OMPI_COMM_WORLD_SIZE, MPICH's and its kin's in
 * PMI_SIZE, srun in SLURM_STEP_NUM_TASKS. 1: by itself, or as one process. */
int launched_processes(void);

/* Whether the launcher has told the processes how to find each other. srun does so with --mpi=pmix alone; without it, Open
 * MPI would end the program. */
bool launched_together(void);

/* Which of them this one is, from 0; 0 where there is one. */
int launched_number(void);

#endif
