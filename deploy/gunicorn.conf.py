"""gunicorn -c deploy/gunicorn.conf.py config.wsgi

WEB_WORKERS processes with WEB_THREADS threads each. The web process never imports torch, so two are cheap.
"""

import os

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
worker_class = "gthread"
# Connections to PostgreSQL must not be shared by forks.
preload_app = False
timeout = 60
graceful_timeout = 10
# Longer than people take for one task, so that an answer does not begin with a new connection.
keepalive = 75
accesslog = os.environ.get("WEB_ACCESS_LOG") or None  # "-" for standard output
loglevel = os.environ.get("WEB_LOG_LEVEL", "warning")
# A heartbeat file on a disk that is busy can stall a worker until it is killed.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
# The control socket of gunicorn's own command line is not used.
control_socket_disable = True
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
