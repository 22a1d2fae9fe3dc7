"""The peers that are Python libraries, each used as its own documentation shows. Started by `peers`, in that peer's environment.

Owns: one function a library; it does the job of a workload and prints `done N`, N being what the library itself reports as done
(steps that ended with 0, files, or bytes of output). Must not: measure, retry, or swallow an error.

    python clients.py pyinfra|parallel-ssh|asyncssh|fabric JOB.json
"""

import json
import sys


def pyinfra(job):
    from gevent import monkey

    monkey.patch_all()  # as its command does; without, it does one host after the other

    from pyinfra.api import Config, Inventory, State
    from pyinfra.api.connect import connect_all
    from pyinfra.api.operation import add_op
    from pyinfra.api.operations import run_ops
    from pyinfra.operations import files, server

    every = {
        "ssh_user": "root",
        "ssh_key": job["id"],
        "ssh_known_hosts_file": job["known_hosts"],
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
    }
    inventory = Inventory((job["hosts"], every))
    state = State(inventory, Config(PARALLEL=job["parallel"], FAIL_PERCENT=0))
    connect_all(state)
    if job["work"] == "file":
        add_op(state, files.put, src=job["src"], dest=job["dest"], mode="644")
    else:
        for n in range(job["steps"]):
            add_op(state, server.shell, name=f"Step {n}", commands=["true"])
    run_ops(state)
    return sum(state.results[host].success_ops for host in inventory)


def parallel_ssh(job):
    from gevent import joinall
    from pssh.clients import ParallelSSHClient

    client = ParallelSSHClient(
        job["hosts"], user="root", pkey=job["id"], pool_size=job["parallel"], allow_agent=False, identity_auth=False
    )
    if job["work"] == "file":
        copies = client.copy_file(job["src"], job["dest"])
        joinall(copies, raise_error=True)
        return len(copies)
    if job["work"] == "output":
        output = client.run_command(job["command"])
        size = sum(len(line) + 1 for host in output for line in host.stdout)
        client.join(output)
        return size if all(host.exit_code == 0 for host in output) else 0
    done = 0
    for _ in range(job["steps"]):
        output = client.run_command("true")
        client.join(output)
        done += sum(host.exit_code == 0 for host in output)
    return done


def asyncssh(job):
    import asyncio

    import asyncssh as ssh

    async def one(host, room):
        async with room, ssh.connect(
            host,
            username="root",
            client_keys=[job["id"]],
            known_hosts=job["known_hosts"],
            kex_algs=["curve25519-sha256"],
            agent_path=None,
            config=None,
        ) as connection:
            if job["work"] == "file":
                async with connection.start_sftp_client() as sftp:
                    await sftp.put(job["src"], job["dest"])
                return 1
            if job["work"] == "output":
                return len((await connection.run(job["command"], check=True, encoding=None)).stdout)
            done = 0
            for _ in range(job["steps"]):
                done += (await connection.run("true", check=True)).exit_status == 0
            return done

    async def every():
        room = asyncio.Semaphore(job["parallel"])
        return sum(await asyncio.gather(*(one(host, room) for host in job["hosts"])))

    return asyncio.run(every())


def fabric(job):
    from fabric import Connection, ThreadingGroup
    from paramiko import RejectPolicy

    login = {"key_filename": job["id"], "look_for_keys": False, "allow_agent": False}
    connections = [Connection(host, user="root", connect_kwargs=login) for host in job["hosts"]]
    for connection in connections:
        connection.client.load_host_keys(job["known_hosts"])
        connection.client.set_missing_host_key_policy(RejectPolicy())
    # A group begins a thread for each of its members, so it has as many as may work at a time.
    done = 0
    for first in range(0, len(connections), job["parallel"]):
        with ThreadingGroup.from_connections(connections[first : first + job["parallel"]]) as group:
            for _ in range(job["steps"]):
                done += sum(result.ok for result in group.run("true", hide=True, in_stream=False).values())
    return done


if __name__ == "__main__":
    tool, path = sys.argv[1:]
    with open(path) as file:
        given = json.load(file)
    print("done", {"pyinfra": pyinfra, "parallel-ssh": parallel_ssh, "asyncssh": asyncssh, "fabric": fabric}[tool](given))
