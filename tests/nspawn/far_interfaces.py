"""What far_side.py offers on its bus, and no more than that."""

from gi.repository import Gio

XML = """<node>
<interface name="org.freedesktop.systemd1.Manager">
  <method name="Subscribe"/>
  <method name="StartUnit"><arg type="s"/><arg type="s"/><arg type="o" direction="out"/></method>
  <method name="StopUnit"><arg type="s"/><arg type="s"/><arg type="o" direction="out"/></method>
  <method name="RestartUnit"><arg type="s"/><arg type="s"/><arg type="o" direction="out"/></method>
  <method name="ListUnitsByPatterns"><arg type="as"/><arg type="as"/>
    <arg type="a(ssssssouso)" direction="out"/></method>
</interface>
<interface name="org.freedesktop.systemd1.Unit">
  <property name="LoadState" type="s" access="read"/>
  <property name="ActiveState" type="s" access="read"/>
  <property name="InvocationID" type="ay" access="read"/>
  <property name="InactiveExitTimestamp" type="t" access="read"/>
  <property name="InactiveExitTimestampMonotonic" type="t" access="read"/>
  <property name="ActiveEnterTimestampMonotonic" type="t" access="read"/>
  <property name="FreezerState" type="s" access="read"/>
  <property name="Job" type="(uo)" access="read"/>
</interface>
<interface name="org.freedesktop.systemd1.Service">
  <property name="Result" type="s" access="read"/>
  <property name="ExecMainCode" type="i" access="read"/>
  <property name="ExecMainStatus" type="i" access="read"/>
  <property name="MemoryCurrent" type="t" access="read"/>
  <property name="CPUUsageNSec" type="t" access="read"/>
  <property name="TasksCurrent" type="t" access="read"/>
  <property name="ControlGroup" type="s" access="read"/>
  <property name="NRestarts" type="u" access="read"/>
  <property name="StatusText" type="s" access="read"/>
</interface>
<interface name="org.freedesktop.machine1.Manager">
  <method name="GetMachine"><arg type="s"/><arg type="o" direction="out"/></method>
  <method name="OpenMachineShell"><arg type="s"/><arg type="s"/><arg type="s"/><arg type="as"/>
    <arg type="as"/><arg type="h" direction="out"/><arg type="s" direction="out"/></method>
</interface>
<interface name="org.freedesktop.machine1.Machine">
  <property name="Unit" type="s" access="read"/>
  <property name="Leader" type="u" access="read"/>
</interface>
<interface name="test.Control">
  <method name="Next"><arg type="s"/></method>
  <method name="Echo"><arg type="s"/><arg type="s" direction="out"/></method>
  <method name="Never"/>
  <method name="Fail"><arg type="s"/></method>
  <method name="Emit"><arg type="o"/><arg type="s"/></method>
  <method name="Descriptors"><arg type="u"/><arg type="u"/><arg type="b" direction="out"/></method>
  <method name="End"><arg type="s"/><arg type="s"/><arg type="i"/><arg type="i"/></method>
  <method name="Begin"><arg type="s"/><arg type="u"/></method>
  <method name="Calls"><arg type="as" direction="out"/></method>
  <signal name="Said"><arg type="s"/></signal>
</interface>
</node>"""
INTERFACES = {i.name: i for i in Gio.DBusNodeInfo.new_for_xml(XML).interfaces}
