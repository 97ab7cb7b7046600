"""What the kernel takes from a parser child: network, files, privileges, new processes.

Two filters that a process lays on itself and can never lift, and that programs started by it
inherit. *seccomp* refuses system calls: everything about sockets, plain forks (threads and
starting another program remain), signals of process groups, typing into a terminal, and
whatever else reaches other processes or the system. *Landlock* leaves reading of named
folders and files, writing of none, and from its version 6 on no signal to a process outside.
Before that ``kill`` remains, which a parser needs to end its own programs and a filter cannot
tell whose number it is given. Both are called through ctypes: there is no other dependency.
Where a kernel has one of them not, ``confine`` says so, and what remains are the limits of
``child``.

Numbers are those of the kernel's headers: linux/seccomp.h, linux/landlock.h, asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

NETWORK, FILES, PROCESSES = "network", "files", "other processes"

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER_MODE = 38, 22, 2

# Name: number on x86_64, on aarch64. What one of them has not is 0.
_CALLS = {
    # network, and the ring through which any of these calls could be made unseen
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206),
    "sendmsg": (46, 211), "sendmmsg": (307, 269), "recvmsg": (47, 212), "recvmmsg": (299, 243),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # other processes; leaving the group that is killed as a whole
    "fork": (57, 0), "setsid": (112, 157), "setpgid": (109, 154), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "setpriority": (141, 140), "sched_setaffinity": (203, 122), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "ioprio_set": (251, 30),
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180),
    # a file's properties, which Landlock leaves alone
    "chmod": (90, 0), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, 0), "fchown": (93, 55), "lchown": (94, 0), "fchownat": (260, 54),
    "utime": (132, 0), "utimes": (235, 0), "utimensat": (280, 88), "futimesat": (261, 0),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "truncate": (76, 45),
    # the system
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "fsopen": (430, 430), "fsmount": (432, 432),
    "open_tree": (428, 428), "move_mount": (429, 429), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162),
    "fanotify_init": (300, 262),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT, _KILL = (56, 220), (435, 435), (302, 261), (62, 129)
# Left to this process for itself, as in abort: tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo.
_OWN_SIGNALS = ((200, 130), (234, 131), (129, 138), (297, 240))
# Refused by their second argument. F_SETOWN, F_SETOWN_EX: whom the kernel signals for a file.
# TIOCSTI, TIOCLINUX: typing into a terminal, which a child shares with who started the service.
_IN_PART = (((72, 25), (8, 15)), ((16, 29), (0x5412, 0x541C)))  # fcntl, ioctl
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32 = 0x40000000  # the same calls under other numbers
_SHARES_MEMORY, _NAMESPACES = 0x100, 0x7E020000

# struct sock_filter: code, jump if true, jump if false, value
_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24
_ALLOW, _END_PROCESS, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1, 2, 4, 8
# Rights on files and on the network, and what is cut off outside, since each version.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_CONNECT_AND_BIND = 3  # since 4
_SCOPED, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 3

_SYSTEM = (
    "/usr", "/bin", "/lib", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/fonts", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf",
    "/etc/alternatives", "/dev/urandom", "/sys/devices/system/cpu", "/proc/cpuinfo",
    "/proc/meminfo",
)  # fmt: skip


def confine(readable: Iterable[Path]) -> dict[str, str]:
    """Lay both filters on this process; it must have one thread.

    Args:
        readable: Folders and files that may be read, besides Python and the system's libraries.

    Returns:
        What is not protected and why, by ``NETWORK``, ``FILES`` and ``PROCESSES``; empty when
        both filters hold in full.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):
        reason = f"{os.uname().sysname} has no such filters"
        return dict.fromkeys((NETWORK, FILES, PROCESSES), reason)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    files = _restrict_files(libc, [*readable, *_installation(), *map(Path, _SYSTEM)])
    calls = _restrict_calls(libc)
    signals = calls or files
    if signals is None and _version(libc) < _SCOPED:
        signals = f"Landlock is older than version {_SCOPED}, and does not keep signals in"
    found = ((FILES, files), (NETWORK, calls), (PROCESSES, signals))
    return {what: why for what, why in found if why}


def _installation() -> Iterator[Path]:
    """Where Python, the installed packages and these modules are."""
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}:
        yield Path(prefix, "lib")
        yield Path(prefix, "share")
    yield from (Path(entry) for entry in sys.path if entry.endswith("-packages"))
    for package in ("ingest", "rag"):
        yield from map(Path, sys.modules[package].__path__)


def _version(libc: ctypes.CDLL) -> int:
    return int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION))


def _restrict_files(libc: ctypes.CDLL, readable: Iterable[Path]) -> str | None:
    version = _version(libc)
    if version < 1:
        return f"the kernel has no Landlock, or it is switched off ({_last_error()})"
    rights = _FILE_RIGHTS[max(since for since in _FILE_RIGHTS if since <= version)]
    fields = [rights]
    if version >= 4:
        fields.append(_CONNECT_AND_BIND)
    if version >= _SCOPED:
        fields.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"<{len(fields)}Q", *fields)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return f"Landlock makes no rules ({_last_error()})"
    try:
        for path in readable:
            _allow(libc, ruleset, path, _READ_FILE | _READ_FOLDER | _EXECUTE)
        _allow(libc, ruleset, Path(os.devnull), _READ_FILE | _WRITE_FILE)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) < 0:
            return f"Landlock refuses its rules ({_last_error()})"
    finally:
        os.close(ruleset)
    return None


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be read
    try:
        if not path.is_dir():
            rights &= ~_READ_FOLDER
        rule = struct.pack("<Qi", rights, place)
        libc.syscall(_ADD_RULE, ruleset, _BENEATH, rule, 0)
    finally:
        os.close(place)


def _restrict_calls(libc: ctypes.CDLL) -> str | None:
    machine = os.uname().machine
    if machine not in _MACHINES:
        return f"system calls of {machine} machines are not known here"
    program = b"".join(
        struct.pack("<HBBI", *instruction) for instruction in _filter(*_MACHINES[machine])
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a 16-bit count, padding, a pointer
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_SET_SECCOMP, _FILTER_MODE, header, 0, 0) != 0:
        return f"the kernel takes no filter for system calls ({_last_error()})"
    return None


def _filter(column: int, architecture: int) -> list[tuple[int, int, int, int]]:
    """The program that decides on every system call, instruction by instruction."""
    refuse = (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    unknown = (_RETURN, 0, 0, _REFUSE | errno.ENOSYS)
    argument, second = (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_LOAD, 0, 0, _SECOND_ARGUMENT_AT)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _END_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if column == 0:
        steps += [(_AT_LEAST, 0, 1, _X32), unknown]
    # Its arguments lie in memory, out of a filter's sight; libraries fall back on clone.
    steps += [(_EQUAL, 0, 1, _CLONE3[column]), unknown]
    for numbers in _CALLS.values():
        if numbers[column]:
            steps += [(_EQUAL, 0, 1, numbers[column]), refuse]
    # Threads and a child that at once becomes another program share memory; a fork does not.
    allow = (_RETURN, 0, 0, _ALLOW)
    for numbers in _OWN_SIGNALS:
        own = (_EQUAL, 0, 1, os.getpid())
        steps += [(_EQUAL, 0, 4, numbers[column]), argument, own, allow, refuse]
    for numbers, (one, other) in _IN_PART:
        steps += [(_EQUAL, 0, 5, numbers[column]), second]
        steps += [(_EQUAL, 1, 0, one), (_EQUAL, 0, 1, other), refuse, allow]
    steps += [
        *((_EQUAL, 0, 5, _CLONE[column]), argument, (_HAS, 1, 0, _NAMESPACES)),
        *((_HAS, 1, 0, _SHARES_MEMORY), refuse, allow),
        # limits of this process only
        *((_EQUAL, 0, 4, _PRLIMIT[column]), argument, (_EQUAL, 1, 0, 0), refuse, allow),
        # no signal to "all" or to a group: those numbers are negative
        *((_EQUAL, 0, 3, _KILL[column]), argument, (_AT_LEAST, 0, 1, 1 << 31), refuse),
        allow,
    ]
    return steps


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())
