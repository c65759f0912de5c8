#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
Makes a Windows service, or a scheduled task, of watcher, brings it up to date, or takes it away again.
Written by `watcher service windows --write FILE`. It may be run again at any time: it changes what differs.
It has not been run on Windows by its authors' tests: read it, and try it beside `watcher sandbox` first.

In a PowerShell that runs as administrator, in the folder of this file:

  powershell -ExecutionPolicy Bypass -File .\FILE -Wrapper C:\Downloads\WinSW-x64.exe
      a service. Windows starts as one only what talks to its service manager, which Python does not: WinSW does
      it for us. Take WinSW-x64.exe, version 2.12 or a later 2.x, from the releases of winsw/winsw on GitHub.
  powershell -ExecutionPolicy Bypass -File .\FILE -Task
      a scheduled task instead, where no wrapper is allowed: with what Windows has. It starts with the machine,
      and again within five minutes of its end. Its log is log.file of the settings.
  ... -People 'DOMAIN\group'
      lets these people, too, write into the drop and failed folders and read the done folder.
  ... -Exclude
      keeps Microsoft Defender out of the state folder and of the files under way: a scanner that has one open
      at the wrong moment makes the agent wait. The drop folder is scanned as before.
  ... -Upgrade C:\Downloads\watcher
      installs what is in that folder (the one with pyproject.toml); the older one's folder brings that back.
  ... -Uninstall
      takes service and task away. Settings, journal, files and the Python environment stay.
#>
[CmdletBinding()]
param(
    [string]$Wrapper = '',
    [switch]$Task,
    [string]$People = '',
    [switch]$Exclude,
    [string]$Upgrade = '',
    [switch]$Uninstall
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

#VALUES#

# By their numbers: the names of groups and accounts are in the language of each Windows.
$Administrators = 'S-1-5-32-544'
$LocalSystem = 'S-1-5-18'
$LocalService = 'S-1-5-19'
$TooMany = @('S-1-1-0', 'S-1-5-11', 'S-1-5-32-545')  # everyone, whoever has logged on, all users
$Icacls = Join-Path $env:SystemRoot 'System32\icacls.exe'
$Sc = Join-Path $env:SystemRoot 'System32\sc.exe'
$Exe = Join-Path $WrapperFolder 'watcher-service.exe'

function Invoke-Checked([string]$Program, [string[]]$Arguments) {
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$Program $($Arguments -join ' '): ended with $LASTEXITCODE" }
}

function Add-Right([string]$Path, [string]$Sid, [string]$Rights) {
    Invoke-Checked $Icacls @($Path, '/grant:r', "*${Sid}:$Rights", '/Q')
}

# Leave nobody in but administrators, the system, and the agent with these rights.
function Set-Closed([string]$Path, [string]$Agent, [string]$Rights, [string]$Inherited) {
    $Grants = @("*${Administrators}:${Inherited}F", "*${LocalSystem}:${Inherited}F",
        "*${Agent}:$Inherited$Rights")
    # Whoever made it first could give rights again.
    Invoke-Checked $Icacls @($Path, '/setowner', "*$Administrators", '/Q')
    Invoke-Checked $Icacls (@($Path, '/inheritance:r', '/grant:r') + $Grants + @('/Q'))
    Invoke-Checked $Icacls (@($Path, '/remove:g') + ($TooMany | ForEach-Object { "*$_" }) + @('/Q'))
}

function New-Folder([string]$Path) {
    if (-not (Test-Path -LiteralPath $Path)) { New-Item -ItemType Directory -Path $Path -Force | Out-Null }
}

function Get-Agent {
    if (Get-Service -Name $Name -ErrorAction SilentlyContinue) { 'service' }
    if (Get-ScheduledTask -TaskName $Name -ErrorAction SilentlyContinue) { 'task' }
}

function Stop-Agent {
    $Found = @(Get-Agent)
    if ($Found -contains 'service') { Stop-Service -Name $Name }  # waits for the request under way
    if ($Found -contains 'task') {
        # Ended at once. That loses nothing: the agent goes on by its journal where it was.
        Disable-ScheduledTask -TaskName $Name | Out-Null
        Stop-ScheduledTask -TaskName $Name
    }
}

function Start-Agent {
    $Found = @(Get-Agent)
    if ($Found -contains 'service') { Start-Service -Name $Name }
    if ($Found -contains 'task') {
        Enable-ScheduledTask -TaskName $Name | Out-Null
        Start-ScheduledTask -TaskName $Name
    }
}

function Remove-Service {
    if (@(Get-Agent) -contains 'service') { Invoke-Checked $Sc @('delete', $Name) }
}

function Remove-Task {
    if (@(Get-Agent) -contains 'task') { Unregister-ScheduledTask -TaskName $Name -Confirm:$false }
}

# What a service must be able to start lies where all accounts may read and only administrators may write.
function Assert-Place {
    foreach ($Path in @($Python, $BasePython)) {
        if ($Path -like "$env:SystemDrive\Users\*" -or $Path -like '*\WindowsApps\*') {
            throw ("$Path belongs to one user, and no service can start it: install Python for all users, " +
                "from python.org, and watcher below $env:ProgramFiles")
        }
    }
    if ($Variables) {
        Write-Warning ("The settings take $Variables from the environment, which a service does not have. " +
            "Put the client secret into a file (client_secret_file), and other values into the settings: " +
            "both are closed to others here.")
    }
}

function Set-Rights([string]$Agent) {
    if ((Split-Path -Parent $SettingsFolder) -eq $env:ProgramData -and $IsApart) {
        Set-Closed $SettingsFolder $Agent 'RX' '(OI)(CI)'
    }
    Set-Closed $Settings $Agent 'R' ''
    if ($Secret) { Set-Closed $Secret $Agent 'R' '' }
    Set-Closed $State $Agent 'M' '(OI)(CI)'
    Set-Closed $Logs $Agent 'M' '(OI)(CI)'
    foreach ($Path in @($Folders)) {
        if ($Path -like '\\*') {
            Write-Warning ("${Path}: give the rights on the server. In a domain the service comes there as " +
                "$env:COMPUTERNAME`$; a scheduled task, and a machine in no domain, come as nobody.")
        } else {
            Add-Right $Path $Agent '(OI)(CI)M'
        }
    }
    if ($Work -notlike '\\*') {  # what is under way is for the agent alone, where others may write around it
        New-Folder $Work
        Set-Closed $Work $Agent 'M' '(OI)(CI)'
    }
    foreach ($Path in @($Files)) { Add-Right $Path $Agent 'R' }
    if ($People) {
        $Who = $People
        if ($People -like 'S-1-*') { $Who = "*$People" }
        foreach ($Path in @($Drop, $Failed)) {
            Invoke-Checked $Icacls @($Path, '/grant', "${Who}:(OI)(CI)M", '/Q')
        }
        Invoke-Checked $Icacls @($Done, '/grant', "${Who}:(OI)(CI)RX", '/Q')
    }
}

function Install-Service {
    New-Folder $WrapperFolder
    if ($Wrapper) {
        Copy-Item -LiteralPath $Wrapper -Destination $Exe -Force
        Unblock-File -LiteralPath $Exe  # it came from the internet, as Windows remembers
    }
    $XmlFile = Join-Path $WrapperFolder 'watcher-service.xml'
    [IO.File]::WriteAllText($XmlFile, $Xml, (New-Object Text.UTF8Encoding $false))
    $Known = Get-CimInstance -ClassName Win32_Service -Filter "Name='$Name'"
    if ($Known -and -not $Known.PathName.Contains($Exe)) { Remove-Service }  # set up elsewhere
    if (@(Get-Agent) -notcontains 'service') { Invoke-Checked $Exe @('install') }
    # An account of this service alone, made by Windows with it, without a password. Not by the file of WinSW,
    # which takes none such (winsw/winsw, issue 835).
    Invoke-Checked $Sc @('config', $Name, 'obj=', "NT SERVICE\$Name")
}

function Install-Task {
    if (-not $LogFile) {
        throw 'A task has no place for its log: give log.file in the settings, and write this script anew.'
    }
    New-Folder $WrapperFolder
    $Action = New-ScheduledTaskAction -Execute $Python -Argument $Arguments -WorkingDirectory $WrapperFolder
    # Two triggers, since Windows need not start a task again that ended with an error: the start of the
    # machine, and every five minutes, which does nothing while it runs.
    $Triggers = @(
        (New-ScheduledTaskTrigger -AtStartup),
        (New-ScheduledTaskTrigger -Once -At (Get-Date).Date -RepetitionInterval (New-TimeSpan -Minutes 5))
    )
    $Rules = New-ScheduledTaskSettingsSet -MultipleInstances IgnoreNew -ExecutionTimeLimit ([TimeSpan]::Zero) `
        -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -StartWhenAvailable
    $Account = New-ScheduledTaskPrincipal -UserId $LocalService -LogonType ServiceAccount
    Register-ScheduledTask -TaskName $Name -Action $Action -Trigger $Triggers -Settings $Rules `
        -Principal $Account -Force | Out-Null
}

if ($Uninstall) {
    Stop-Agent
    Remove-Task
    Remove-Service
    if (Test-Path -LiteralPath $WrapperFolder) { Remove-Item -LiteralPath $WrapperFolder -Recurse -Force }
    if (Get-Command Remove-MpPreference -ErrorAction SilentlyContinue) {
        try { Remove-MpPreference -ExclusionPath @($State, $Work) } catch { Write-Warning "$_" }
    }
    Write-Output "$Name is no service and no task any more. Settings, journal and files are where they were."
    exit 0
}

Assert-Place
if ($Upgrade) {
    Stop-Agent
    try {
        Invoke-Checked $Python @('-I', '-m', 'pip', 'install', '--upgrade', "$Upgrade$Extras")
    } finally {
        Start-Agent
    }
    Write-Output 'Brought up to date. If the settings changed, write this script anew and run it.'
    exit 0
}

if (-not $Task -and -not $Wrapper -and -not (Test-Path -LiteralPath $Exe)) {
    throw 'Give -Wrapper and the path of WinSW-x64.exe, or -Task; the head of this file says which is for what.'
}
foreach ($Path in @($Folders) + @($State, $Logs)) { New-Folder $Path }
Invoke-Checked $Python @('-I', '-m', 'watcher', 'check', '--offline', '-c', $Settings)
Stop-Agent
$Agent = $ServiceSid
if ($Task) { $Agent = $LocalService }
Set-Rights $Agent
if ($Task) {
    Remove-Service
    Install-Task
} else {
    Remove-Task
    Install-Service
}
if ($Exclude) { Add-MpPreference -ExclusionPath @($State, $Work) }
Start-Agent
Write-Output "$Name runs. What it does: & '$Python' -m watcher status -c '$Settings'"
