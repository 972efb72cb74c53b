"""Numbers and names that both managers share with agent and workers."""

PROTOCOL = 1
MANAGER_PATH = "/manager"
#: the largest frame on the link, either way
MAX_LINK_FRAME_BYTES = 64 * 1024 * 1024
INLINE_LIMIT_BYTES = 256 * 1024
BLOB_LIMIT_BYTES = 1024 ** 3
BLOB_CHUNK_BYTES = 1024 * 1024
#: of every process of a block: `<endpoint>/<block>/<node>`
BLOCK_ENV = "FARCALL_BLOCK"
#: by which a worker's leftovers are found: `<manager's nonce>/<worker>`
WORKER_ENV = "FARCALL_WORKER"
#: tells a supervisor not to start this again. EX_CONFIG of sysexits
EXIT_DO_NOT_RESTART = 78
