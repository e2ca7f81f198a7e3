"""Starts moto's server, without two things that take half of its time: a log line for each call, and a look through the directory of its
services for each call."""

import functools
import logging

from moto import server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

logging.getLogger("werkzeug").setLevel(logging.ERROR)
DomainDispatcherApplication.get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)
server.main()
