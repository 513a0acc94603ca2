"""place: put the queue of the project in the order that its collection page says. It has no settings of its own."""

from registry.specs.base import Spec


class PlaceSpec(Spec):
    pass
