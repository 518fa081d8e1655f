"""The goods of a small shop."""

from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float
    quantity: int


class Inventory:
    def __init__(self):
        self.items = []

    def add(self, name, price, quantity):
        item = Item(name, price, quantity)
        self.items.append(item)
        return item

    def remove(self, name):
        for item in self.items:
            if item.name == name:
                self.items.remove(item)
                return item
        return None

    def find(self, name):
        for item in self.items:
            if item.name == name:
                return item
        return None
